// Package session keeps who is signed in to the registry's pages, and tells a
// person's own requests from those that another site makes a browser send.
//
// A session is a row of the database and a random token in a cookie. The row
// holds the token's hash alone, so a copy of the database opens no session. Every
// request looks the row up, together with the account: what ends a session (a
// sign-out, a changed password, a removed account) holds for the next request,
// on every replica.
package session
