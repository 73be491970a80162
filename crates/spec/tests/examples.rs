//! The example files in the repository are what newcomers try first.

#[test]
fn every_example_is_a_valid_job() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let format = muster_spec::Format::of_file(path.to_str().unwrap());
        assert_eq!(muster_spec::parse(&text, format).err(), None, "{path:?}");
        seen += 1;
    }
    assert!(seen >= 4);
}
