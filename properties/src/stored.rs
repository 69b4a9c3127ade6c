//! Contexts that are stored, as a map or as JSON: any text is read, and what is written is read
//! again.

use arbitrary::Result;
use otel_messaging_core::CreationContext;

/// Checks JSON, which holds the map of a context if it is valid.
///
/// # Errors
/// Never: any bytes are an input.
pub fn check(bytes: &[u8]) -> Result<()> {
    let Ok(creation) = serde_json::from_slice::<CreationContext>(bytes) else { return Ok(()) };
    let map = creation.to_map();
    let json = match serde_json::to_string(&creation) {
        Ok(json) => json,
        Err(error) => panic!("it cannot be stored: {error}"),
    };
    let read = serde_json::from_str::<CreationContext>(&json);
    assert_eq!(read.ok().map(|read| read.to_map()), Some(map.clone()), "{json}");
    let restored = CreationContext::from_map(&map);
    assert_eq!(CreationContext::from_context(&restored.to_context()), restored, "{json}");
    Ok(())
}
