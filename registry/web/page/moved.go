package page

import (
	"net/http"
	"net/url"
	"strings"

	"cove/registry/metadata/names"
)

// moved sends who looks at a page by a former name of its project or repository to the page
// of today, if he may see that one.
func (p *Desk) moved(a *Ask, rw Row) bool {
	if a.Method != http.MethodGet && a.Method != http.MethodHead {
		return false
	}
	object, err := objectOf(a.Request)
	if err != nil || object == "" {
		return false
	}
	f, ok, err := names.Of(a.Context(), p.DB.Querier(), object, p.Now())
	if err != nil || !ok || p.Judge.Permit(a.Context(), p.DB, a.Caller, rw.Right, f.Now) != nil {
		return false
	}
	to := url.URL{Path: strings.Replace(a.URL.Path, "/"+object, "/"+f.Now, 1), RawQuery: a.URL.RawQuery}
	if to.Path == a.URL.Path {
		return false
	}
	a.Redirect(to.String())
	return true
}
