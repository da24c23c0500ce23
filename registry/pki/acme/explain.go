package acme

import (
	"errors"
	"net"

	"golang.org/x/crypto/acme"

	"cove/errdefs"
)

// problem is the part of a problem's type that RFC 8555, section 6.7, names.
const problem = "urn:ietf:params:acme:error:"

// ways are what to do about a problem.
var ways = map[string]string{
	problem + "dns":         "the name must have an address in DNS that the authority sees",
	problem + "caa":         "a CAA record in DNS forbids this authority; change it, or name another directory",
	problem + "rateLimited": "it asks to wait; until then what was presented stays",
	problem + "rejectedIdentifier": "it issues no certificate for this name; it takes public names alone, unless it " +
		"is one of your own (directory, ca_file)",
	problem + "externalAccountRequired": "it issues to accounts that it knows: set key_id and key_file to what it gave you",
	problem + "userActionRequired":      "it wants its terms to be agreed to anew, in a browser",
	problem + "badNonce":                "the clock or a proxy in between is at fault",
}

// reach says what an authority must reach for a challenge.
var reach = map[string]string{
	byHTTP: "the authority must reach this registry at port 80 of the name (redirect: :80), and whatever stands before it " +
		"must hand /.well-known/acme-challenge/ on",
	byALPN: "the authority must reach this registry at port 443 of the name, with nothing before it that ends TLS; " +
		"or set redirect: :80, for which port 80 is enough",
}

// explain says what went wrong and what to do about it.
func (m *Manager) explain(host, challenge string, err error) error {
	var denied *acme.AuthorizationError
	var refused *acme.Error
	switch {
	case errors.As(err, &denied):
		way := reach[challenge]
		for _, one := range denied.Errors {
			if errors.As(one, &refused) && ways[refused.ProblemType] != "" {
				way = ways[refused.ProblemType]
			}
		}
		return errdefs.Errorf(errdefs.ErrDenied, "the authority did not find that %s is this server, by %s: %w; %s", host,
			challenge, err, way)
	case errors.As(err, &refused) && ways[refused.ProblemType] != "":
		return errdefs.Errorf(errdefs.ErrDenied, "the authority refuses: %w; %s", err, ways[refused.ProblemType])
	case errors.As(err, &refused):
		return errdefs.Errorf(errdefs.ErrUnavailable, "the authority refuses: %w", err)
	}
	var network net.Error
	if errors.As(err, &network) {
		return errdefs.Errorf(errdefs.ErrUnavailable, "the authority %s cannot be asked: %w", m.opts.Directory, err)
	}
	return err
}
