// Package auth says who a caller of the registry is and what they may do.
//
// Who: a name and password (Basic), or a token that the registry's own token
// endpoint issued for them (Bearer). What: one table, [Policy], from rights to
// the least role that has them; a project's members hold roles, a system
// administrator has every right, and a public project can be pulled by anyone.
// [Authorizer] applies both to the routes of the Distribution protocol, and is
// asked again by the registry where a request touches a second repository.
//
// A token is a cap, not a grant: it lists what its bearer was allowed when it
// was issued, and every request is decided anew from what the database said at
// most half a second ago, so that a removed member, a changed password or a
// deleted account holds within a second, on every replica.
package auth
