package places

import (
	"maps"
	"slices"
	"strconv"

	"cove/errdefs"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/signing"
)

// Harbor's two settings. There each asks for some signature of its kind; here both are
// the one policy of the project, with the keys that it trusts.
const (
	cosign   = "enable_content_trust_cosign" // a public key is trusted
	notation = "enable_content_trust"        // a certificate is
)

func isTrust(name string) bool { return name == cosign || name == notation }

// trusted is what a request says of the two settings; nil says nothing.
type trusted map[string]bool

func (t trusted) on() bool { return slices.Contains(slices.Collect(maps.Values(t)), true) }

// settingsOf is the policy in Harbor's terms, were it on.
func settingsOf(p signing.Policy) trusted {
	kinds := trusted{cosign: false, notation: false}
	for _, k := range p.Keys {
		kinds[map[bool]string{true: notation, false: cosign}[k.Certificate != nil]] = true
	}
	return kinds
}

// signed adds the settings of a project.
func (o operations) signed(asked *edge.Ask, m shape.Metadata) error {
	p, err := signing.PolicyOf(asked.Context(), o.DB.Querier(), asked.Project)
	for name, can := range settingsOf(p) {
		m[name] = strconv.FormatBool(p.Required && can)
	}
	return err
}

// trust turns the policy on when one of the settings is to be on, and off when one that
// is on is to be off and no other is. One that has no key is errdefs.ErrConflict.
func (o operations) trust(asked *edge.Ask, want trusted) error {
	if want == nil {
		return nil
	}
	p, err := signing.PolicyOf(asked.Context(), o.DB.Querier(), asked.Project)
	if err != nil {
		return err
	}
	can := settingsOf(p)
	for name, on := range want {
		if on && !can[name] {
			return errdefs.Errorf(errdefs.ErrConflict,
				"%s: project %q has no key of this kind whose signatures count; add one by /api/v1/projects/%s/signing/keys",
				name, asked.Project, asked.Project)
		}
		if p.Required && can[name] && !on {
			can[name] = false
		}
	}
	required := want.on() || p.Required && can.on()
	if required == p.Required {
		return nil
	}
	return o.Policies.Signing.Require(asked.Context(), asked.Caller, asked.Project, required)
}
