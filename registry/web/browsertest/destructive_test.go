package browsertest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// destructive are all forms of the pages that take something away, by the words of their
// address. Each says before it is sent what will be gone, or is undone by one click in the
// notice that follows, or both; one that is undone by nothing says that, too.
var destructive = map[string]struct{ says, undone bool }{
	"/account/tokens/remove": {says: true}, "/artifacts/delete": {true, true}, "/groups/remove": {says: true},
	"/labels/remove": {true, true}, "/projects/exceptions/remove": {undone: true}, "/projects/immutable/remove": {undone: true},
	"/projects/labels/remove": {true, true}, "/projects/release": {says: true}, "/projects/remove": {true, true},
	"/projects/retention/remove": {undone: true}, "/projects/robots/remove": {says: true}, "/projects/signing/keys/remove": {says: true},
	"/projects/trust/remove": {says: true}, "/projects/webhooks/remove": {says: true}, "/replication/endpoints/remove": {says: true},
	"/replication/proxies/remove": {says: true}, "/replication/rules/remove": {says: true}, "/security/scanners/remove": {says: true},
	"/repositories/delete": {true, true}, "/robots/remove": {says: true},
	"/roles/remove": {says: true}, "/tags/delete": {true, true}, "/trust/remove": {says: true}, "/users/remove": {says: true},
}

// destroyers are the forms of a page that take something away, with what is said around them.
// A kind of jobs that can be paused is called "delete".
const destroyers = `[...document.forms].filter((f) => f.method === "post" && /^(?!\/queues\/).*\/(remove|delete|release)(\/|$)/.test(f.getAttribute("action") || "")).map((f) =>
	[f.getAttribute("action"), [...(f.closest("details, section") || f).querySelectorAll("p")].map((p) => p.textContent.trim()).join(" ")])`

// nouns are the words of an address that are no names of people's.
var nouns = regexp.MustCompile(`^(projects|tags|artifacts|repositories|labels|immutable|retention|exceptions|robots|trust|webhooks|users|` +
	`groups|roles|tokens|account|replication|endpoints|rules|proxies|security|scanners|keys|signing|remove|delete|release)$`)

// kindOf is an address without what it is about.
func kindOf(action string) string {
	var kept []string
	for _, part := range strings.Split(action, "/") {
		if nouns.MatchString(part) && !slices.Contains(kept, part) {
			kept = append(kept, part)
		}
	}
	return "/" + strings.Join(kept, "/")
}

// TestDestructiveForms looks for the forms on every page that take something away: none is
// missing above, and all say what the table says that they do.
func TestDestructiveForms(t *testing.T) {
	s, pages := filled(t)
	b := open(t, s)
	b.signIn("admin")
	found := map[string]string{}
	for _, path := range pages {
		b.visit(path)
		for _, f := range eval[[][2]string](b, destroyers) {
			found[kindOf(f[0])] = f[1]
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(found)) {
		of, listed := destructive[kind]
		switch {
		case !listed:
			t.Errorf("%s is not listed: what says that it takes something away, and what undoes it?", kind)
		case of.says && len(found[kind]) < 20:
			t.Errorf("%s says only %q of what will be gone", kind, found[kind])
		case !of.says && !of.undone:
			t.Errorf("%s says nothing and is undone by nothing", kind)
		}
	}
	for kind := range destructive {
		if _, ok := found[kind]; !ok {
			t.Errorf("%s is on no page", kind)
		}
	}
	t.Logf("%d kinds of forms take something away", len(found))
}
