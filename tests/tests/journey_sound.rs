//! Journey: a PC with a sound server. The phone plays and listens there, through the echo canceller, as with any sound card.

use house_tests::far_script::{FarScript, SCRIPT_TONE};
use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::Registrar;
use house_tests::sound_server::SoundServer;

/// Architecture 5: one pipeline of the sound device, with source, canceller, probe and sink.
#[tokio::test]
async fn with_a_sound_server_the_far_end_is_heard_at_its_loudspeaker() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let sound = SoundServer::start(&namespace).await;
    let _registrar = Registrar::start(&namespace);
    let setup = Setup { sound_card: true, environment: sound.environment(), ..Setup::at_the_registrar(&[]) };
    let phone = Phone::start(&namespace, &setup).await;
    phone.registered().await;
    let media = phone.facts("org.deskphone.Media1", "org.deskphone.Media1").await;
    assert_eq!(media["Device"], "pipewire", "{media}\n{}", phone.logs());

    let script = FarScript::start(&namespace, "delayed_offer");
    phone.call_in("incoming").await;
    phone.run(&["answer"]);
    phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    sound.plays_tone(SCRIPT_TONE).await;
    phone.run(&["hangup"]);
    script.went_as_written().await;
    phone.stop().await;
}
