// Package signature finds what signs an artifact in a registry, and verifies it.
//
// Three forms are known:
//
//   - cosign's simple signing: layers of a manifest that the tag sha256-<hex>.sig names,
//     or whose subject is the artifact. A layer is the payload, an annotation of its
//     descriptor the signature (cosign's specs/SIGNATURE_SPEC.md).
//   - cosign's bundles (Sigstore bundle 0.3): a referrer whose layer is JSON with a DSSE
//     envelope around an in-toto statement.
//   - Notary Project's, as notation makes them: a referrer whose layer is an envelope in
//     JWS or COSE (package notation).
//
// A signature counts when its bytes verify with a key that is trusted, and when what is
// signed says the digest of the artifact: where a signature is stored says nothing, for
// whoever may push can move one. Nothing is asked of any other host: no transparency
// log, no authority of timestamps, no list of revoked certificates. What was signed
// without a key of its own (keyless) is therefore shown, and never verified.
//
// Everything read is sized by strangers and bounded here.
package signature
