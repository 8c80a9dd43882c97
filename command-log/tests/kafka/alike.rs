//! The suite that every log passes, on one broker and on three.

use std::sync::{Arc, Mutex, OnceLock};

use command_log::{BoxFuture, Log, conformance::Place, kafka::Config};

use crate::cluster::{Cluster, open};

/// A new cell for each log.
struct Cells {
    cluster: &'static Cluster,
    last: Mutex<Option<Config>>,
}

impl Cells {
    fn on_one() -> Self {
        Self { cluster: Cluster::one(), last: Mutex::default() }
    }

    fn on_three() -> Self {
        static THREE: OnceLock<Cluster> = OnceLock::new();
        let cluster = THREE.get_or_init(|| Cluster::start(&["--brokers", "3"]));
        Self { cluster, last: Mutex::default() }
    }
}

impl Place for Cells {
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn Log>> {
        let config = self.cluster.cell();
        *self.last.lock().expect("no panic") = Some(config.clone());
        Box::pin(async move { Arc::new(open(&config).await) as Arc<dyn Log> })
    }

    fn reopen(&self, log: Arc<dyn Log>) -> BoxFuture<'_, Option<Arc<dyn Log>>> {
        let config = self.last.lock().expect("no panic").clone().expect("a log was opened");
        Box::pin(async move {
            tokio::task::spawn_blocking(|| drop(log)).await.expect("closed");
            Some(Arc::new(open(&config).await) as Arc<dyn Log>)
        })
    }
}

mod one_broker {
    use super::*;
    command_log::conformance_tests!(
        #[ignore = "needs Kafka: make test-kafka"]
        Cells::on_one()
    );
}

mod three_brokers {
    use super::*;
    command_log::conformance_tests!(
        #[ignore = "needs Kafka: make test-kafka"]
        Cells::on_three()
    );
}
