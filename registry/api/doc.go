// Package api is the registry's own HTTP API, below /api/v1: JSON for programs.
//
// One table, [API.Routes], says of each operation its path, the right that it
// takes and of what, what it reads and what it answers. Requests are routed by
// it, the policy is tested against it, and the OpenAPI document is made of it, so
// that the three cannot differ. Handlers call the same services as pages and the
// command line, each of which asks package auth.
//
// Callers come with a name and password (Basic). Tokens of the registry's token
// endpoint are for images alone and refused; cookies are not looked at, and a
// request that a browser says comes from another site changes nothing.
//
// Errors are problems (RFC 9457). Lists are pages: "next" of one, which the Link
// header has too, leads to the page after it. One user or project has an ETag, which
// If-None-Match and, for changes, If-Match are held against.
package api
