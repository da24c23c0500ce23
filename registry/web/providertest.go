package web

import (
	"encoding/json"
	"errors"
	"net/http"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/identity"
	"cove/registry/identity/oidc"
	"cove/registry/web/page"
	"cove/registry/web/view"
)

// tried is a sign-in by the provider that somebody tried out: what the provider said, and
// what would follow from it. Nobody is signed in by it.
type tried struct {
	Title    string // of the provider; "" if there is none
	Callback string // what is to be registered there
	Done     bool
	Claims   string // as JSON
	Failed   string // why the provider does not vouch, or the rules do not let in
	Person   identity.Person
	Forecast accounts.Forecast
	Refused  string // why this registry would not let in whom the rules do
}

// providerTest is the page from which a sign-in is tried out.
func (p *Pages) providerTest(a *page.Ask) error {
	return p.showTried(a, tried{})
}

func (p *Pages) showTried(a *page.Ask, d tried) error {
	d.Callback = p.Base(a) + callbackPath
	if p.cfg.Provider != nil {
		d.Title = p.cfg.Provider.Title()
	}
	return p.Show(a, http.StatusOK, &view.Page{
		Name: "provider-test", Section: "users", Title: a.Language.Text("provider.title"), Data: d,
	})
}

// providerTried shows what came of an attempt. The browser says that it was one, so who it
// is that looks is asked again.
func (p *Pages) providerTried(
	a *page.Ask, person identity.Person, claims oidc.Claims, finished error,
) error {
	if err := p.Judge.Permit(a.Context(), p.DB, a.Caller, auth.ManageUsers, ""); err != nil {
		return err
	}
	d := tried{Done: true, Person: person}
	if claims != nil {
		text, err := json.MarshalIndent(claims, "", "  ")
		if err != nil {
			return err
		}
		d.Claims = string(text)
	}
	if finished != nil {
		if !errors.Is(finished, errdefs.ErrDenied) && !errors.Is(finished, errdefs.ErrUnauthenticated) &&
			!errors.Is(finished, errdefs.ErrUnavailable) {
			return finished
		}
		d.Failed = finished.Error()
		return p.showTried(a, d)
	}
	var err error
	if d.Forecast, err = p.cfg.Accounts.Forecast(a.Context(), a.Caller, person); err != nil {
		return err
	}
	if d.Forecast.Refused != nil {
		d.Refused = d.Forecast.Refused.Error()
	}
	return p.showTried(a, d)
}
