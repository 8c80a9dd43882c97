#!/usr/bin/env bash
# One or three real Kafka brokers (KRaft, no ZooKeeper, no container) on loopback, for development and tests.
#
#   kafka.sh start [--brokers 1|3] [--dir DIR] [--secure] [--for PID]
#                                                           start a cluster, or start it again
#   kafka.sh bootstrap [--dir DIR]                          print HOST:PORT,… to connect to
#   kafka.sh status [--dir DIR]                             say which brokers run
#   kafka.sh kill N [--dir DIR]                             kill -9 broker N
#   kafka.sh restart N [--dir DIR]                          start broker N again, with its data
#   kafka.sh stop [--dir DIR]                               stop all brokers; the data stays
#   kafka.sh jars                                           fetch the jars and do nothing else
#
# --for PID makes a cluster that ends, and whose directory is deleted, when the process PID has ended.
# --secure adds a listener with TLS and SASL/SCRAM; DIR/client.properties then says how to connect to it,
# and DIR/secure-bootstrap where. Needs Java 17 or newer and Maven; --secure needs openssl.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}
jars=${KAFKA_DEV_JARS:-$cache/quipu-kafka/jars}
dir=$cache/quipu-kafka/cluster
brokers=1
secure=
owner=

die() { printf 'kafka: %s\n' "$*" >&2; exit 1; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d'; }

command=${1:-}
[ $# -gt 0 ] && shift
number=
asked=
while [ $# -gt 0 ]; do
    case $1 in
        --brokers) brokers=${2:?--brokers needs 1 or 3}; asked=$brokers; shift 2 ;;
        --dir) dir=${2:?--dir needs a directory}; shift 2 ;;
        --secure) secure=yes; shift ;;
        --for) owner=${2:?--for needs a process}; shift 2 ;;
        [1-9]) number=$1; shift ;;
        *) die "unknown argument '$1'; see kafka.sh help" ;;
    esac
done

# Brokers keep it as their data's place, and are known by it, from whichever directory they are asked for.
case $dir in /*) ;; *) dir=$PWD/${dir#./} ;; esac

fetch_jars() {
    local stamp
    command -v java >/dev/null || die "there is no java; install Java 17 or newer (Debian: openjdk-17-jre-headless)"
    stamp=$jars/of-$(cksum <"$here/pom.xml" | tr ' ' -)
    [ -e "$stamp" ] && return
    command -v mvn >/dev/null || die "there is no mvn; install Maven (Debian: maven)"
    rm -rf -- "$jars"
    mkdir -p -- "$jars"
    mvn -q -B -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" >&2
    : >"$stamp"
}

run_java() { # HEAP CLASS ARGUMENTS…
    local heap=$1
    shift
    exec java "-Xmx$heap" -XX:+ExitOnOutOfMemoryError "-Dlog4j2.configurationFile=$here/log4j2.xml" -cp "$jars/*" "$@"
}

# A port that nobody listens on now, drawn at random so that clusters side by side seldom meet.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        if ! grep -qs "^$port$" "$dir/ports" && ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port" >>"$dir/ports"
            echo "$port"
            return
        fi
    done
    die "found no free port"
}

ids() { seq "$(cat "$dir/brokers")"; }
pid_of() { cat "$dir/$1/pid" 2>/dev/null || true; }
runs() {
    local pid
    pid=$(pid_of "$1")
    # A number that another process has by now is not this broker; nor is a broker that nobody has reaped.
    [ -n "$pid" ] && grep -qsz "quipu-kafka-$1=$dir" "/proc/$pid/cmdline"
}

make_certificates() {
    command -v openssl >/dev/null || die "--secure needs openssl"
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=quipu-dev -keyout "$dir/key.pem" \
        -out "$dir/ca.pem" -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    cat "$dir/key.pem" "$dir/ca.pem" >"$dir/keystore.pem"
    cat >"$dir/client.properties" <<-END
	security.protocol=SASL_SSL
	sasl.mechanism=SCRAM-SHA-512
	sasl.username=quipu
	sasl.password=quipu-dev-only
	ssl.ca.location=$dir/ca.pem
	END
}

write_properties() { # ID PORT CONTROLLER_PORT SECURE_PORT VOTERS
    local factor=$((brokers < 3 ? 1 : 3)) listeners="PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3"
    local advertised="PLAINTEXT://127.0.0.1:$2"
    if [ -n "$secure" ]; then
        listeners+=",SASL_SSL://127.0.0.1:$4"
        advertised+=",SASL_SSL://127.0.0.1:$4"
    fi
    cat <<-END
	process.roles=broker,controller
	node.id=$1
	controller.quorum.voters=$5
	controller.listener.names=CONTROLLER
	listeners=$listeners
	advertised.listeners=$advertised
	inter.broker.listener.name=PLAINTEXT
	listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL
	log.dirs=$dir/$1/data
	auto.create.topics.enable=false
	unclean.leader.election.enable=false
	offsets.topic.replication.factor=$factor
	transaction.state.log.replication.factor=$factor
	# A dead broker is noticed in three seconds instead of nine: developers wait for it often.
	broker.heartbeat.interval.ms=500
	broker.session.timeout.ms=3000
	controlled.shutdown.enable=false
	END
    if [ -n "$secure" ]; then
        cat <<-END
	sasl.enabled.mechanisms=SCRAM-SHA-512
	listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
	ssl.keystore.type=PEM
	ssl.keystore.location=$dir/keystore.pem
	ssl.truststore.type=PEM
	ssl.truststore.location=$dir/ca.pem
	END
    fi
}

lay_out() {
    local id voters='' bootstrap='' secure_bootstrap='' cluster
    local -a ports controllers secures scram=()
    mkdir -p -- "$dir"
    rm -f -- "$dir/ports"
    for id in $(seq "$brokers"); do
        ports[id]=$(free_port) controllers[id]=$(free_port) secures[id]=$(free_port)
        voters+=",$id@127.0.0.1:${controllers[id]}"
        bootstrap+=",127.0.0.1:${ports[id]}"
        secure_bootstrap+=",127.0.0.1:${secures[id]}"
    done
    if [ -n "$secure" ]; then
        make_certificates
        scram=(--add-scram "SCRAM-SHA-512=[name=quipu,password=quipu-dev-only]")
        echo "${secure_bootstrap#,}" >"$dir/secure-bootstrap"
    fi
    # URL-safe, and without a dash: an id that begins with one would be taken for an option.
    cluster=$(head -c 16 /dev/urandom | base64 | tr '+/' 'A_' | tr -d '=')
    for id in $(seq "$brokers"); do
        mkdir -p -- "$dir/$id"
        write_properties "$id" "${ports[id]}" "${controllers[id]}" "${secures[id]}" "${voters#,}" \
            >"$dir/$id/server.properties"
        (run_java 128m kafka.tools.StorageTool format --cluster-id "$cluster" --config "$dir/$id/server.properties" \
            "${scram[@]}") >"$dir/$id/format.log" 2>&1 || { cat "$dir/$id/format.log" >&2; die "could not format broker $id"; }
    done
    echo "${bootstrap#,}" >"$dir/bootstrap"
    echo "$brokers" >"$dir/brokers"
}

start_broker() {
    runs "$1" && return
    (run_java 512m "-Dquipu-kafka-$1=$dir" kafka.Kafka "$dir/$1/server.properties") \
        </dev/null >>"$dir/$1/broker.log" 2>&1 &
    echo $! >"$dir/$1/pid"
}

address_of() { cut -d , -f "$1" "$dir/bootstrap"; }
await_broker() {
    local address
    address=$(address_of "$1")
    for _ in $(seq 300); do
        runs "$1" || { tail -n 20 "$dir/$1/broker.log" >&2; die "broker $1 ended; see $dir/$1/broker.log"; }
        (: <"/dev/tcp/${address%:*}/${address#*:}") 2>/dev/null && return
        sleep 0.1
    done
    die "broker $1 does not listen after 30 seconds; see $dir/$1/broker.log"
}

stop_all() {
    local id
    for id in $(ids); do if runs "$id"; then kill "$(pid_of "$id")"; fi; done
    for id in $(ids); do
        for _ in $(seq 200); do runs "$id" || break; sleep 0.1; done
        if runs "$id"; then kill -9 "$(pid_of "$id")"; fi
        rm -f -- "$dir/$id/pid"
    done
}

end_with_owner() {
    while kill -0 "$owner" 2>/dev/null; do sleep 0.5; done
    for id in $(ids); do if runs "$id"; then kill -9 "$(pid_of "$id")"; fi; done
    rm -rf -- "$dir"
}

need_cluster() { [ -e "$dir/brokers" ] || die "there is no cluster in $dir; start one with: kafka.sh start --dir $dir"; }
need_number() {
    need_cluster
    [ -n "$number" ] && [ -d "$dir/$number" ] || die "say which broker: 1 to $(cat "$dir/brokers")"
}

case $command in
    start)
        case $brokers in 1 | 3) ;; *) die "--brokers is 1 or 3, not '$brokers'" ;; esac
        if [ -e "$dir/brokers" ]; then
            [ -z "$asked" ] || [ "$asked" = "$(cat "$dir/brokers")" ] || die "the cluster in $dir has $(cat "$dir/brokers") broker(s), not $asked; name another --dir"
            [ -z "$secure" ] || [ -e "$dir/secure-bootstrap" ] || die "the cluster in $dir has no secure listener; name another --dir"
        fi
        fetch_jars
        if [ ! -e "$dir/brokers" ]; then lay_out; fi
        for id in $(ids); do start_broker "$id"; done
        for id in $(ids); do await_broker "$id"; done
        if [ -n "$owner" ]; then end_with_owner </dev/null >/dev/null 2>&1 & fi
        cat "$dir/bootstrap"
        ;;
    bootstrap) need_cluster; cat "$dir/bootstrap" ;;
    status)
        need_cluster
        for id in $(ids); do
            if runs "$id"; then echo "broker $id runs as process $(pid_of "$id") at $(address_of "$id")"; else echo "broker $id is down"; fi
        done
        ;;
    kill) need_number; if runs "$number"; then kill -9 "$(pid_of "$number")"; fi ;;
    restart) need_number; fetch_jars; start_broker "$number"; await_broker "$number" ;;
    stop) need_cluster; stop_all ;;
    jars) fetch_jars ;;
    help | --help | -h) usage ;;
    *) usage >&2; exit 2 ;;
esac
