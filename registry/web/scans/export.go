package scans

import (
	"cmp"
	"mime"
	"net/http"

	"cove/registry/scan"
	"cove/registry/web/page"
)

// export has the browser save the vulnerabilities of a project, or of all, as CSV.
func (p *Pages) export(a *page.Ask) error {
	project := a.PathValue("project")
	write, err := p.policies.Scans.Export(a.Context(), a.Caller, scan.Wanted{
		Project: project, Repositories: a.FormValue("repositories"), Tags: a.FormValue("tags"),
	})
	if err != nil {
		return err
	}
	h := a.W.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{
		"filename": "vulnerabilities-" + cmp.Or(project, "all") + ".csv",
	}))
	if err := write(a.Context(), a.W); err != nil {
		if a.Context().Err() == nil {
			p.Log.ErrorContext(a.Context(), "download was cut", "path", a.URL.Path, "error", err)
		}
		// Nothing says how long it is: only by a connection that is cut a browser sees that it is not whole.
		panic(http.ErrAbortHandler) //nolint:forbidigo // net/http cuts HTTP/1 and HTTP/2 answers by it
	}
	return nil
}
