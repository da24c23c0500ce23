package work

import (
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/registry/replication"
	"cove/registry/replication/endpoint"
	"cove/registry/web/page"
)

// speed is a limit as forms take it, from which just that limit is read again; "" says that
// there is none.
func speed(rate int64) string {
	if rate == 0 {
		return ""
	}
	text := strings.ReplaceAll(units.HumanSize(float64(rate)), " ", "")
	if again, err := units.FromHumanSize(text); err != nil || again != rate {
		return strconv.FormatInt(rate, 10)
	}
	return text
}

// ruleForm is what the form of a replication rule is filled with.
type ruleForm struct {
	replication.Rule
	Version string // "" of a new one
}

// Speed is the limit, as the form takes it.
func (f ruleForm) Speed() string { return speed(f.Rate) }

// LabelGlobs are the labels, as the form takes them.
func (f ruleForm) LabelGlobs() string { return strings.Join(f.Labels, " ") }

// Types are the media types, as the form takes them.
func (f ruleForm) Types() string { return strings.Join(f.MediaTypes, " ") }

// filledRule is what of a rule its form is filled with.
func filledRule(r replication.Rule) any { return []any{r.Endpoint, r.Options} }

// ruleToChange fills the form of rules with the one that is asked for, or with what a new
// one begins with.
func ruleToChange(a *page.Ask, rules []replication.Rule) (f ruleForm, err error) {
	name := a.URL.Query().Get("rule")
	for _, r := range rules {
		if name != "" && r.Name == name {
			f.Rule = r
			f.Version, err = page.Version(filledRule(r))
			return f, err
		}
	}
	f.Override = true
	return f, nil
}

// ruleChange saves a rule that was opened in its form.
func (p *Pages) ruleChange(a *page.Ask, r replication.Rule) error {
	now, err := p.policies.Replication.Get(a.Context(), a.Caller, r.Name)
	if err == nil {
		err = a.Unchanged(filledRule(now))
	}
	if err == nil {
		r.Enabled = now.Enabled
		_, err = p.policies.Replication.Set(a.Context(), a.Caller, r)
	}
	return p.done(a, err, replicationPath, a.Language.Text("replication.changed", r.Name))
}

// endpointForm is what the form of an endpoint is filled with: never a password.
type endpointForm struct {
	endpoint.Endpoint
	Version string // "" of a new one
}

func filledEndpoint(e endpoint.Endpoint) any { return []any{e.Kind, e.Host, e.User, e.CA, e.Plain} }

func endpointToChange(a *page.Ask, all []endpoint.Endpoint) (f endpointForm, err error) {
	name := a.URL.Query().Get("endpoint")
	for _, e := range all {
		if name != "" && e.Name == name {
			f.Endpoint = e
			f.Version, err = page.Version(filledEndpoint(e))
		}
	}
	return f, err
}

// endpointChange saves an endpoint that was opened in its form. A password that is left out
// is the one that was.
func (p *Pages) endpointChange(a *page.Ask, spec endpoint.Spec) error {
	now, err := p.policies.Endpoints.Get(a.Context(), a.Caller, spec.Name)
	if err == nil {
		err = a.Unchanged(filledEndpoint(now))
	}
	if err == nil {
		spec.KeepPassword = spec.Password == "" && spec.User != ""
		_, err = p.policies.Endpoints.Set(a.Context(), a.Caller, spec)
	}
	return p.done(a, err, replicationPath, a.Language.Text("endpoint.changed", spec.Name))
}
