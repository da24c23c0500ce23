package browsertest

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"cove/registry/identity/oidc"
	"cove/registry/identity/oidctest"
	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// TestClaimsOfAProvider has a provider say texts that want to be scripts, of groups and of
// what went wrong: where they are shown, nothing of them lives.
func TestClaimsOfAProvider(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(oidctest.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	provider := oidctest.Start(t, "http://localhost/")
	provider.SetGroups(oidctest.First, append([]string{"dev"}, scripts...)...)
	s := webtest.Start(t, config.Config{OIDC: &oidc.Config{
		Issuer: provider.Issuer, ClientID: oidctest.ClientID, SecretFile: secret, Title: scripts[0],
	}})
	provider.Register(s.URL + "/sign-in/oidc/callback")
	b, c := open(t, s), &cases{T: t}
	b.inert(c, []string{"/sign-in"}, scripts[0]) // the title is on the button
	s.API(t, "POST", "/groups", `{"name":"dev"}`, 201)
	b.signIn("admin")
	b.run(chromedp.Navigate(s.URL+"/sign-in/oidc?test=1"), chromedp.WaitVisible(`input[name=password]`),
		chromedp.SendKeys(`input[name=username]`, oidctest.First), chromedp.SendKeys(`input[name=password]`, oidctest.Password+"\n"),
		chromedp.WaitReady("#said"))
	for _, text := range append([]string{"dev"}, scripts...) {
		if !strings.Contains(eval[string](b, "document.body.textContent"), text[:min(len(text), 100)]) {
			t.Errorf("the page does not show the group %.40s", text)
		}
		c.tried(1)
	}
	if got := eval[string](b, alive); got != "" || eval[bool](b, "window.owned !== undefined") {
		t.Errorf("alive is %s", got)
	}
	// What a provider, or who sends a browser here, says of an error.
	for _, text := range scripts {
		if page := refusedBy(t, s, text); strings.Contains(page, text) || !strings.Contains(page, `role="alert"`) {
			t.Errorf("an error of the provider is shown as it came: %s", page)
		}
		c.tried(1)
	}
	for _, fault := range b.faults.all() {
		if !strings.Contains(fault, provider.Issuer) { // a browser is sent there to sign in
			t.Error(fault)
		}
	}
	c.told("claims and errors of a provider")
}

// refusedBy is the page that a sign-in ends at which the provider refuses with a text.
func refusedBy(t *testing.T, s *webtest.Site, text string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(s.URL + "/sign-in/oidc")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	to, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	said := url.Values{"state": {to.Query().Get("state")}, "error": {text}, "error_description": {text}}
	resp, err = browser.Get(s.URL + "/sign-in/oidc/callback?" + said.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var page strings.Builder
	if err := resp.Write(&page); err != nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("refused with %d, %v", resp.StatusCode, err)
	}
	return page.String()
}
