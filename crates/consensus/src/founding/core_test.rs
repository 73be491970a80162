use super::*;

const U: ClusterId = ClusterId(77);

fn list(names: &[&str]) -> Vec<ListedMember> {
    let member = |(at, name): (usize, &&str)| ListedMember {
        name: (*name).into(),
        rpc: format!("{name}:{at}"),
        swim: format!("{name}:1{at}"),
    };
    names.iter().enumerate().map(member).collect()
}

fn three() -> Vec<ListedMember> {
    list(&["a", "b", "c"])
}

fn node(name: &str) -> NodeId {
    NodeId(u128::from(name.as_bytes()[0]))
}

fn members() -> Vec<FoundingMember> {
    let member = |(name, number): (&str, u32)| FoundingMember {
        number: MemberNumber(number),
        name: name.into(),
        node: node(name),
    };
    [("a", 1), ("b", 2), ("c", 3)].into_iter().map(member).collect()
}

fn me(name: &str) -> Standing {
    Standing { name: name.into(), node: node(name), list: three(), promise: None }
}

fn promised(name: &str) -> Standing {
    let number = number_of(&three(), name).unwrap();
    Standing {
        promise: Some(FoundingPromise { list: list_digest(&three()), number, members: members() }),
        ..me(name)
    }
}

fn answer(name: &str, state: FoundingState) -> Answer {
    let view = FoundingView { name: name.into(), node: node(name), list: three(), state };
    Answer { name: name.into(), view: Some(view) }
}

fn blank(name: &str) -> Answer {
    answer(name, FoundingState::Blank)
}

fn has_promised(name: &str) -> Answer {
    answer(name, FoundingState::Promised { members: members() })
}

fn exists(name: &str, cluster: ClusterId, members: Vec<FoundingMember>) -> Answer {
    answer(name, FoundingState::Exists { cluster, members })
}

fn silent(name: &str) -> Answer {
    Answer { name: name.into(), view: None }
}

fn without(name: &str) -> Vec<FoundingMember> {
    members().into_iter().filter(|member| member.name != name).collect()
}

fn waits(decision: &Decision) -> Vec<&str> {
    match decision {
        Decision::Wait(names) => names.iter().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_blank_node_that_cannot_reach_all_others_waits_and_says_for_whom() {
    assert_eq!(waits(&decide(&me("a"), &[blank("b"), silent("c")]).unwrap()), ["c"]);
    assert_eq!(waits(&decide(&me("b"), &[silent("a"), silent("c")]).unwrap()), ["a", "c"]);
}

#[test]
fn even_a_promised_founder_needs_everybody() {
    assert_eq!(waits(&decide(&promised("a"), &[has_promised("b"), silent("c")]).unwrap()), ["c"]);
}

#[test]
fn once_all_are_blank_with_the_same_list_each_promises_every_node_id() {
    for name in ["a", "b", "c"] {
        let others: Vec<_> = ["a", "b", "c"].into_iter().filter(|other| *other != name).map(blank).collect();
        let number = number_of(&three(), name).unwrap();
        let promise = FoundingPromise { list: list_digest(&three()), number, members: members() };
        assert_eq!(decide(&me(name), &others).unwrap(), Decision::Promise(promise));
    }
}

#[test]
fn number_one_alone_founds_and_only_after_all_have_promised() {
    let all = |name: &str| -> Vec<Answer> {
        ["a", "b", "c"].into_iter().filter(|other| *other != name).map(has_promised).collect()
    };
    assert_eq!(decide(&promised("a"), &all("a")).unwrap(), Decision::Found(members()));
    assert_eq!(waits(&decide(&promised("b"), &all("b")).unwrap()), ["a"]);
    assert_eq!(waits(&decide(&promised("a"), &[has_promised("b"), blank("c")]).unwrap()), ["c"]);
}

#[test]
fn a_node_alone_promises_and_founds_at_once() {
    let alone = Standing { list: list(&["a"]), ..me("a") };
    let Decision::Promise(promise) = decide(&alone, &[]).unwrap() else { panic!("no promise") };
    let alone = Standing { promise: Some(promise.clone()), ..alone };
    assert_eq!(decide(&alone, &[]).unwrap(), Decision::Found(promise.members));
}

#[test]
fn a_promise_that_named_another_node_does_not_count_for_the_founder() {
    let mut other = members();
    other[0].node = NodeId(1234);
    let told = answer("c", FoundingState::Promised { members: other });
    assert_eq!(waits(&decide(&promised("a"), &[has_promised("b"), told]).unwrap()), ["c"]);
}

#[test]
fn a_restart_after_the_promise_goes_on_with_the_same_promise() {
    assert_eq!(waits(&decide(&promised("b"), &[blank("a"), blank("c")]).unwrap()), ["a"]);
}

#[test]
fn a_promised_node_learns_of_the_cluster_from_anybody() {
    let found = exists("b", U, members());
    assert_eq!(
        decide(&promised("c"), &[silent("a"), found]).unwrap(),
        Decision::Adopt(U, MemberNumber(3), members())
    );
}

#[test]
fn a_founder_that_crashed_after_making_the_id_is_asked_and_not_doubled() {
    let answers = [exists("a", U, members()), has_promised("c")];
    assert_eq!(decide(&promised("b"), &answers).unwrap(), Decision::Adopt(U, MemberNumber(2), members()));
}

#[test]
fn wiped_nodes_never_found_while_one_member_says_that_a_cluster_exists() {
    let mut wiped = me("a");
    wiped.node = NodeId(1);
    assert_eq!(decide(&wiped, &[blank("b"), exists("c", U, members())]).unwrap(), Decision::Join(U));
    assert_eq!(decide(&wiped, &[silent("b"), exists("c", U, members())]).unwrap(), Decision::Join(U));
}

#[test]
fn a_wiped_node_is_told_by_those_who_promised_to_its_predecessor() {
    let owner = members().remove(1);
    let answers = [blank("a"), answer("c", FoundingState::Taken { owner })];
    let Decision::Blocked(why) = decide(&me("b"), &answers).unwrap() else { panic!("not blocked") };
    assert!(why.contains("number 2 belongs to node") && why.contains("`muster node remove b`"), "{why}");
}

#[test]
fn a_promised_node_goes_no_further_when_another_was_wiped() {
    let mut wiped = blank("c");
    wiped.view.as_mut().unwrap().node = NodeId(4321);
    let Decision::Blocked(why) = decide(&promised("a"), &[has_promised("b"), wiped]).unwrap() else {
        panic!("not blocked")
    };
    assert!(why.contains("number 3 (`c`)"), "{why}");
}

#[test]
fn a_cluster_that_exists_goes_before_a_wrong_list_and_a_taken_name() {
    let mut answers =
        [exists("b", U, without("a")), answer("c", FoundingState::Taken { owner: members().remove(0) })];
    answers[0].view.as_mut().unwrap().list = list(&["x"]);
    assert_eq!(decide(&me("a"), &answers).unwrap(), Decision::Join(U));
}

#[test]
fn two_different_lists_are_refused_with_the_difference() {
    let mut other = blank("b");
    other.view.as_mut().unwrap().list[2].rpc = "elsewhere:1".into();
    let refusal = decide(&me("a"), &[other, silent("c")]).unwrap_err();
    let text = refusal.to_string();
    assert!(matches!(refusal, FoundingError::ListsDiffer { .. }));
    assert!(text.contains("`b`: number 3 is `c` (rpc c:2") && text.contains("elsewhere:1"), "{text}");
}

#[test]
fn lists_of_different_length_differ_by_somebody() {
    assert_eq!(
        list_difference(&three(), &list(&["a", "b"])),
        "number 3 is `c` (rpc c:2, swim c:12) here and nobody there"
    );
}

#[test]
fn two_clusters_are_refused() {
    let answers = [exists("b", U, members()), exists("c", ClusterId(78), members())];
    assert!(matches!(decide(&me("a"), &answers), Err(FoundingError::TwoClusters { .. })));
}

#[test]
fn another_node_at_a_listed_address_is_refused() {
    let mut answers = [blank("c"), silent("c")];
    answers[0].name = "b".into();
    assert!(matches!(decide(&me("a"), &answers), Err(FoundingError::WrongNode { .. })));
}

#[test]
fn a_promise_binds_to_its_list() {
    let mut changed = promised("a");
    changed.list[1].swim = "b:9".into();
    assert!(matches!(decide(&changed, &[silent("b"), silent("c")]), Err(FoundingError::PromisedElsewhere)));
}

#[test]
fn a_node_that_is_not_in_the_list_never_founds() {
    let late = me("z");
    assert_eq!(waits(&decide(&late, &[blank("a"), silent("b")]).unwrap()), ["a", "b"]);
    assert_eq!(decide(&late, &[exists("a", U, members()), silent("b")]).unwrap(), Decision::Join(U));
}

#[test]
fn a_join_that_was_committed_but_not_noted_is_taken_up_again() {
    let mut all = members();
    all.push(FoundingMember { number: MemberNumber(9), name: "z".into(), node: node("z") });
    assert_eq!(
        decide(&me("z"), &[exists("a", U, all.clone())]).unwrap(),
        Decision::Adopt(U, MemberNumber(9), all)
    );
}
