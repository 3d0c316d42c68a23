//! Files against the phone: what they would change on it, and its settings as a file. What a change leads to is asked of the same
//! layers that the phone has, filled with what the phone tells about its own; secrets it does not tell.

use std::collections::BTreeMap;

use agreements::{MASK, WallTime};
use phone_proto::dbus::{Options, SETTINGS_NAME, SettingsProxy};
use phone_proto::errors::ErrorKind;
use serde_json::json;
use settings::catalogue::{self, Parameter};
use settings::file::{Entry, FileOutcome, Form, Setting};
use settings::layers::{FORMAT, Origin, Record, Stored};
use settings::template::without_password;
use settings::{Layer, Layers};
use zbus::proxy::CacheProperties;

use super::arguments::{FormName, Layered, OptionalKey, Target};
use super::convert::written;
use super::lint::{placed, run_files};
use super::write_to;
use crate::bus;
use crate::failure::Failure;
use crate::show::{Output, table};

/// A value of one layer, as the phone tells it.
struct Told {
    parameter: Parameter,
    layer: Layer,
    value: String,
    source: String,
    line: u32,
}

fn failed(error: zbus::Error) -> Failure {
    Failure::of_call(SETTINGS_NAME, error)
}

async fn service() -> Result<SettingsProxy<'static>, Failure> {
    let connection = bus::connect().await?;
    SettingsProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.map_err(failed)
}

/// Every layer of one parameter.
async fn layers_of(service: &SettingsProxy<'_>, parameter: Parameter) -> Result<Vec<Told>, Failure> {
    let (_, _, layers) = service.explain(parameter.name).await.map_err(failed)?;
    let told = |(layer, value, source, line, _): (String, String, String, u32, u64)| {
        Some(Told { parameter, layer: Layer::from_name(&layer)?, value, source, line })
    };
    Ok(layers.into_iter().filter_map(told).collect())
}

/// `phonectl config diff`
pub async fn diff(output: &mut Output, layered: &Layered, key: &OptionalKey) -> Result<(), Failure> {
    let files = placed(layered, key)?;
    if files.is_empty() {
        return Err(Failure::new(ErrorKind::InvalidArgument, "no file is given: --master, --product or --standard"));
    }
    if let Some(refused) = files.iter().find(|file| file.source.outcome.rejected) {
        let reason = refused.source.outcome.diagnoses.iter().map(|one| one.reason.as_str()).next_back().unwrap_or("");
        return Err(Failure::new(ErrorKind::InvalidValue, format!("{} is refused: {reason}", refused.source.name)));
    }
    let named = files.iter().flat_map(|file| &file.source.outcome.accepted).map(|setting| setting.name.as_str());
    let now = of_phone(&service().await?, named.collect()).await?;
    let run = now.provision(&run_files(&files), WallTime::Unset);
    let changes: Vec<_> =
        run.plan.changed.iter().map(|change| (change.name, shown(&now, change.name), masked(change.name, &change.value))).collect();
    let list: Vec<_> =
        changes.iter().map(|(name, before, after)| json!({"name": name, "before": before, "after": after})).collect();
    output.result(&json!(list), || {
        let row = |(name, before, after): &(&str, String, String)| {
            vec![(*name).to_owned(), format!("\"{before}\""), format!("\"{after}\"")]
        };
        match changes.len() {
            0 => "nothing would change".to_owned(),
            _ => table(&["NAME", "NOW", "THEN"], &changes.iter().map(row).collect::<Vec<_>>()),
        }
    })
}

fn shown(layers: &Layers, name: &str) -> String {
    masked(name, layers.effective(name).unwrap_or(""))
}

fn masked(name: &str, value: &str) -> String {
    match catalogue::parameter(name) {
        Some(parameter) if !parameter.row.secret => without_password(value),
        _ if value.is_empty() => String::new(),
        _ => MASK.to_owned(),
    }
}

/// The phone's layers, as far as the named parameters and those that are not at their factory default are concerned. A secret has
/// the mask as its value.
async fn of_phone(service: &SettingsProxy<'_>, mut names: Vec<&str>) -> Result<Layers, Failure> {
    let listed = service.list().await.map_err(failed)?;
    names.extend(listed.iter().filter(|(_, _, layer)| layer != Layer::Factory.as_str()).map(|(name, _, _)| name.as_str()));
    names.sort_unstable();
    names.dedup();
    let (mut records, mut dealer) = (Vec::new(), FileOutcome::default());
    for parameter in names.into_iter().filter_map(catalogue::parameter) {
        for told in layers_of(service, parameter).await? {
            match told.layer {
                Layer::Factory => {}
                Layer::Dealer => {
                    dealer.accepted.push(Setting { name: parameter.name.to_owned(), value: told.value, line: told.line });
                }
                _ => records.push(record(told)),
            }
        }
    }
    let (mut layers, _) = Layers::load(records);
    layers.set_dealer(&[dealer], WallTime::Unset);
    Ok(layers)
}

fn record(told: Told) -> Record {
    let origin = match told.layer {
        Layer::User if told.source.starts_with("phone") => Origin::Phone,
        Layer::User => Origin::Web,
        _ => Origin::File,
    };
    let stored = Stored { value: told.value, origin, source: told.source, line: told.line, time: WallTime::Unset };
    Record { format: FORMAT, layer: told.layer, name: told.parameter.name.to_owned(), stored }
}

/// `phonectl config export`
pub async fn export(
    output: &mut Output,
    layer: Option<&str>,
    form: FormName,
    secrets: bool,
    target: &Target,
) -> Result<(), Failure> {
    let service = service().await?;
    let mut values = match layer {
        None => in_effect(&service).await?,
        Some(name) => of_layer(&service, layer_named(name)?).await?,
    };
    if secrets {
        let revealed = service.reveal(layer.unwrap_or(""), Options::new()).await.map_err(failed)?;
        let revealed: BTreeMap<String, String> = revealed.into_iter().collect();
        for (parameter, value) in &mut values {
            if let Some(full) = revealed.get(parameter.name) {
                value.clone_from(full);
            }
        }
    }
    let entries: Vec<Entry<'_>> = values.iter().map(|(parameter, value)| entry(*parameter, value)).collect();
    write_to(output, target, written(Form::from(form), entries).as_bytes())
}

fn layer_named(name: &str) -> Result<Layer, Failure> {
    let known = || Layer::ALL.map(Layer::as_str).join(", ");
    Layer::from_name(name).ok_or_else(|| Failure::new(ErrorKind::InvalidArgument, format!("there is no layer {name}: {}", known())))
}

/// What is not at its factory default.
async fn in_effect(service: &SettingsProxy<'_>) -> Result<Vec<(Parameter, String)>, Failure> {
    let listed = service.list().await.map_err(failed)?;
    let own = listed.into_iter().filter(|(_, _, layer)| layer != Layer::Factory.as_str());
    Ok(own.filter_map(|(name, value, _)| Some((catalogue::parameter(&name)?, value))).collect())
}

async fn of_layer(service: &SettingsProxy<'_>, layer: Layer) -> Result<Vec<(Parameter, String)>, Failure> {
    let listed = service.list().await.map_err(failed)?;
    let mut values = Vec::new();
    for parameter in listed.iter().filter_map(|(name, _, _)| catalogue::parameter(name)) {
        let told = layers_of(service, parameter).await?.into_iter().find(|told| told.layer == layer);
        values.extend(told.map(|told| (parameter, told.value)));
    }
    Ok(values)
}

/// What a file cannot set, and what the phone does not tell, stands in a comment.
fn entry(parameter: Parameter, value: &str) -> Entry<'_> {
    let hidden = value.contains(MASK);
    let comment = match (hidden, parameter.row.set_by.file) {
        (true, _) => Some("a secret, which is not exported"),
        (false, false) => Some("not settable by files"),
        (false, true) => None,
    };
    Entry { comment, active: comment.is_none(), ..Entry::new(parameter, value) }
}
