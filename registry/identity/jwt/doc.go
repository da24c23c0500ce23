// Package jwt checks tokens (RFC 7519) that other issuers sign: those of CI systems
// for their jobs, and of Kubernetes for service accounts.
//
// Whoever wants to come in writes the token, so nothing of it is believed before its
// signature was checked: with a key of the issuer, by an algorithm with public keys
// (RFC 8725, 3.1), never with a key that the token brings along or names by address.
// Keys are found by the issuer's discovery document (OpenID Connect Discovery 1.0, 4),
// or are given; to which addresses questions go is for package outbound to say.
package jwt
