// Package web serves the registry's pages. A page asks a service for what it
// shows and changes; the services ask auth.Judge, and so does every route before
// its handler runs, for the right that its row of the table names.
//
// What strangers could do to a reader is met in one place, [Pages.handle]: a
// policy that allows no script, style or connection but ours and no frame
// (clickjacking), a session that a cookie of this host alone carries, and, for
// whatever changes something, the check that the request comes from a form of
// these pages (package session). Redirects lead to paths of this registry only.
// Text is escaped by html/template (package view).
package web
