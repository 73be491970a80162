//! `GET /`: one page that shows datacenters, members and the newest jobs, from the same API as everybody else.

use axum::response::Html;

const PAGE: &str = include_str!("dashboard.html");

pub(super) async fn page() -> Html<&'static str> {
    Html(PAGE)
}
