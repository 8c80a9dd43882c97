//! The reference below `docs/reference` says what the code says: its tables are made from the tables in the code.
//!
//! Reads the sources as text. `UPDATE_REFERENCE=1` writes the pages anew.

mod bounds;
mod page;
mod tables;

use page::Page;

#[test]
fn the_reference_says_what_the_code_says() {
    let wrong: Vec<String> = pages().into_iter().filter_map(|page| page.check().err()).collect();
    assert!(wrong.is_empty(), "\n{}\nUPDATE_REFERENCE=1 on this test writes the pages anew", wrong.join("\n"));
}

#[test]
fn every_field_of_a_job_file_is_in_the_reference() {
    let fields = tables::job_file_fields();
    assert!(fields.len() > 15, "{fields:?}");
    let page = page::read("docs/reference/job-file.md");
    let missing: Vec<&String> = fields.iter().filter(|field| !page.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/reference/job-file.md does not name {missing:?}");
}

fn pages() -> Vec<Page> {
    vec![
        tables::refusals(),
        tables::events(),
        tables::commands(),
        tables::metrics(),
        tables::exit_codes(),
        tables::cell_directory(),
        bounds::bounds(),
    ]
}
