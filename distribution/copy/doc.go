// Package copy brings images and artifacts from one end to another: from a
// registry over HTTP ([Remote]), a registry in this process ([Local]), a content
// store ([Store]) or an OCI layout (package layout) to any of them.
//
// [Copy] walks from what a tag or digest names at the [Source] through indexes,
// manifests and, when asked, referrers; then it moves what the [Target] lacks.
//
//	resolve ref ─ walk manifests ─ blobs, in parallel ─ manifests, children first ─ the tag, last
//
// So at no time does a tag name something that is not there whole, and a copy
// that failed or was killed is gone on with by copying again: what arrived is
// not sent a second time, down to the middle of a blob where an end can resume.
//
// Nothing is believed. Every manifest is hashed when it comes, every blob while
// it passes (but for Options.TrustSource), and once more by the target's commit;
// sizes are held against descriptors. What a source claims is bounded: how many manifests, how deep,
// how many bytes of them. The bytes of blobs are never in memory but for the
// buffers of Options.Parallel transfers.
//
// # What stands on it
//
// A push is a copy from the local store to a Remote. Replication is a copy
// between two ends for each tag that a policy chooses, in any direction: a rule
// is a Source, a Target and a loop over tags, and because copying again costs
// only questions it needs no memory of what was copied. A pull-through proxy is
// a copy from a Remote to a Local: of one manifest when it is asked for, with
// [Local] around the registry that the proxy fills. What limits, refuses or
// counts is not here: it is a registry of package distribution/filter, which is
// put around the registry of a Local and applies to copies like to anybody's
// requests.
package copy
