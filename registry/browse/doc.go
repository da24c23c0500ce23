// Package browse reads a registry for people: which projects, repositories, tags
// and artifacts there are for the one who asks, what an artifact is made of, and
// which files its layers hold. Lists are pages: a query gives the last entry that
// was seen, and the answer says whether there are more.
//
// Like the services that change things it is told who asks, and asks package auth
// whether that one may. It writes nothing.
package browse
