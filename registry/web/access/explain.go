package access

import (
	"strings"

	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/web/page"
)

type explainData struct {
	User, Verb, Object string
	Verbs              []string
	Answer             *accounts.Explanation
	Wrong              string // why there is no answer
	Others             bool   // one may ask for others
}

// explain answers whether somebody may do something.
func (p *Pages) explain(a *page.Ask) error {
	d := explainData{
		User: page.Bounded(a.FormValue("user")), Verb: page.Bounded(a.FormValue("verb")),
		Object: strings.Trim(page.Bounded(a.FormValue("object")), "/ "), Verbs: []string{"pull", "push", "delete"},
		Others: p.Browse.May(a.Context(), a.Caller, auth.ExplainAccess, ""),
	}
	for _, r := range rights.All() {
		d.Verbs = append(d.Verbs, string(r))
	}
	if !d.Others {
		d.User = a.Caller.Name
	}
	if d.Verb != "" {
		e, err := p.cfg.Accounts.Explain(a.Context(), a.Caller, d.User, d.Verb, d.Object)
		text, mendable := page.Refused(err)
		switch {
		case mendable:
			d.Wrong = text
		case err != nil:
			return err
		default:
			d.Answer = &e
		}
	}
	return p.Page(a, "access", "users", a.Language.Text("access.title"), d)
}
