package peer

import (
	"context"
	"net/textproto"

	"cove/engine/api/route"
)

// sharedKey is the header in which a client says that it is the one which built before.
const sharedKey = "X-Docker-Expose-Session-Sharedkey"

// Own are the headers of a session with a shared key that no other caller can claim. Whoever
// claims one gets the files that were sent under it, by telling of files that look alike and
// having them copied. So keys are those of a user or a certificate, and of one socket where
// callers may less than everything; who is not known has none, and nothing of it is kept.
func Own(ctx context.Context, access *route.Access, opts map[string][]string) map[string][]string {
	out := map[string][]string{}
	var claimed []string
	for name, values := range opts {
		switch name = textproto.CanonicalMIMEHeaderKey(name); name {
		case sharedKey:
			claimed = values
		case sharedKey + "-Encoded": // what it becomes here is plain
		default:
			out[name] = values
		}
	}
	caller, may, socket := route.Caller(ctx), "", ""
	if access != nil {
		may = access.String()
		if !access.May(route.All) {
			socket = route.Socket(ctx)
		}
	}
	if caller != "" && len(claimed) > 0 && claimed[0] != "" {
		out[sharedKey] = []string{Key(caller, may, socket, claimed[0])}
	}
	return out
}
