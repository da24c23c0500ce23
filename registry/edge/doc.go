// Package edge stands between the network and the registry's handlers.
//
// [Proxies] finds out who really asks and by which URL, when a proxy that the
// operator trusts stands in front. [Deadlines] ends requests whose client has
// stalled, [Listen] listens or takes sockets that systemd opened, and
// [LimitListener] bounds the connections of one address, [LimitRequests] what is
// worked on for it, [LimitHeader] what a request says before its body. None of
// them needs an account: they are what holds before anyone has signed in.
package edge
