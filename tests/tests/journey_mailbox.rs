//! Journey: Kamailio's presence server keeps the mailbox of line 1. Messages that are left there are seen on the bus and at the
//! lamp, and go on being seen when sip-agent is killed.

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::{PHONE_ACCOUNT, Registrar};
use serde_json::json;

struct Story {
    phone: Phone,
    registrar: Registrar,
    // Last: it ends what is still there.
    namespace: Namespace,
}

impl Story {
    async fn begin() -> Story {
        let namespace = Namespace::new();
        let registrar = Registrar::start(&namespace);
        let phone = Phone::start(&namespace, &Setup::at_the_registrar(&["VM_SUBSCRIBE_ENABLE=\"Y\""])).await;
        phone.registered().await;
        Story { phone, registrar, namespace }
    }

    fn leave(&self, summary: &str) {
        self.registrar.leave_messages(&self.namespace, PHONE_ACCOUNT.0, summary);
    }

    /// Waits until the line shows so many, and the lamp what follows from it.
    async fn waiting(&self, waiting: bool, new: u32) {
        let lamp = if waiting { "on" } else { "off" };
        let shown = async |phone: &Phone| {
            let line = [phone.line(1, "MessagesWaiting").await, phone.line(1, "NewMessages").await];
            (line == [json!(waiting), json!(new)] && phone.json(&["board", "leds"])["message"] == lamp).then_some(())
        };
        self.phone.until(&format!("{new} messages\n{}", self.registrar.log()), shown).await;
    }

    async fn watched(&self) {
        self.phone.until("the mailbox is watched", async |phone| (phone.line(1, "Mailbox").await == "active").then_some(())).await;
    }
}

/// RFC 3842; B199.
#[tokio::test]
async fn messages_at_the_server_are_seen_and_survive_sip_agent() {
    if !may_make_namespaces() {
        return;
    }
    let story = Story::begin().await;
    story.watched().await;
    story.waiting(false, 0).await;
    story.leave("Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n");
    story.waiting(true, 2).await;
    let killed = story.phone.pid("sip-agent");
    story.namespace.command("kill").args(["-9", &killed.to_string()]).status().unwrap();
    story.phone.until("another sip-agent", async |phone| (phone.pid("sip-agent") != killed).then_some(())).await;
    story.watched().await;
    story.waiting(true, 2).await;
    story.leave("Messages-Waiting: no\r\nVoice-Message: 0/10\r\n");
    story.waiting(false, 0).await;
}
