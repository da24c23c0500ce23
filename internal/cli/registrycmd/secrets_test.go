package registrycmd

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// canaries are secrets that went through a registry, by how.
type canaries map[string]string

// in says which of them a text has, as they are or as Basic has them.
func (c canaries) in(text []byte) (found []string) {
	for how, secret := range c {
		if bytes.Contains(text, []byte(secret)) {
			found = append(found, how)
		}
		for _, name := range []string{"admin", "ann", "nobody"} {
			if bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString([]byte(name+":"+secret)))) {
				found = append(found, how+" as Basic")
			}
		}
	}
	return found
}

// TestSecretsStaySecret sends secrets through every way in which a registry is given one or
// makes one up, and looks for them in all that it writes, while it runs and afterwards.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("log: {level: debug}\noutbound: {allow: [127.0.0.0/8]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serve(t, root, "--config", file, "--access-log=true")
	secrets := canaries{"the administrator's password": testPassword}
	api := func(method, path, body string, want int) map[string]any {
		t.Helper()
		code, _, text := p.send("admin", testPassword, method, "/api/v1"+path, []byte(body), "Content-Type", "application/json")
		if code != want {
			t.Fatalf("%s %s: %d %s", method, path, code, text)
		}
		if found := secrets.in(text); len(found) > 0 {
			t.Errorf("%s %s answers with %q", method, path, found)
		}
		var answer map[string]any
		_ = json.Unmarshal(text, &answer) // some have none
		return answer
	}
	given := func(how string) string {
		secrets[how] = "canary-" + strings.ReplaceAll(how, " ", "-") + "-Zm9v"
		return secrets[how]
	}
	api("POST", "/projects", `{"name":"team"}`, 201)
	api("POST", "/users", fmt.Sprintf(`{"name":"ann","password":%q}`, given("a user's password")), 201)
	api("PUT", "/users/ann/password", fmt.Sprintf(`{"password":%q}`, given("a password that was set")), 204)
	if code, _, text := p.as("ann", secrets["a password that was set"], "GET", "/api/v1/me"); code != 200 {
		t.Fatalf("signed in: %d %s", code, text)
	}
	for _, path := range []string{"/v2/", "/token", "/api/v1/me", "/api/v2.0/users/current"} {
		if code, _, _ := p.as("nobody", given("a wrong password for "+path), "GET", path); code != 401 {
			t.Errorf("%s with a wrong password: %d", path, code)
		}
	}
	made := func(how string, answer map[string]any, field string) string {
		t.Helper()
		text, ok := answer[field].(string)
		if !ok || len(text) < 20 {
			t.Fatalf("%s: %v", how, answer)
		}
		secrets[how] = text
		return text
	}
	robot := made("a robot's secret", api("POST", "/projects/team/robots", `{"name":"ci","rights":["push"]}`, 201), "secret")
	if code, _, _ := p.as("robot$team+ci", robot, "GET", "/v2/"); code != 200 {
		t.Errorf("the robot: %d", code)
	}
	made("a robot's new secret", api("POST", "/projects/team/robots/ci/secret", "", 200), "secret")
	made("an access token", api("POST", "/me/tokens", `{"name":"laptop","rights":["pull"]}`, 201), "secret")
	made("a link for a password", api("POST", "/users/ann/password-link", `{"for":"1h"}`, 201), "path")
	secrets["a link for a password"] = secrets["a link for a password"][strings.LastIndex(secrets["a link for a password"], "=")+1:]
	api("PUT", "/proxies/hub", fmt.Sprintf(`{"upstream":"127.0.0.1:1/library","user":"me","password":%q}`, given("an upstream's password")), 204)
	api("POST", "/endpoints", fmt.Sprintf(`{"name":"far","address":"127.0.0.1:1","user":"me","password":%q}`, given("an endpoint's password")), 201)
	api("POST", "/replication/rules", `{"name":"all","endpoint":"far","direction":"push"}`, 201)
	hook := api("POST", "/projects/team/webhooks", fmt.Sprintf(`{"name":"ci","url":"http://127.0.0.1:1/hook","secret":%q,"authorization":%q}`,
		given("the key of a webhook"), given("the header of a webhook")), 201)
	api("POST", "/projects/team/webhooks/"+hook["id"].(string)+"/test", "", 201)
	api("POST", "/security/scanners", fmt.Sprintf(`{"name":"far","url":"http://127.0.0.1:1","auth":"bearer","credential":%q}`, given("a scanner's token")), 201)
	p.as("admin", testPassword, "GET", "/v2/hub/alpine/manifests/latest") // asks the upstream, in vain
	p.as("x", strings.Join([]string{"eyJhbGciOiJSUzI1NiJ9", "eyJpc3MiOiJodHRwczovL3gifQ", given("a token of another issuer")}, "."), "GET", "/v2/")
	var token struct{ Token string }
	_, _, text := p.as("admin", testPassword, "GET", "/token?scope=repository:team/app:pull,push")
	if err := json.Unmarshal(text, &token); err != nil || token.Token == "" {
		t.Fatalf("a token: %v %s", err, text)
	}
	secrets["a token of the registry"] = token.Token
	p.send("", "", "GET", "/v2/team/app/tags/list", nil, "Authorization", "Bearer "+token.Token)
	secrets["a session"] = p.signIn("ann", secrets["a password that was set"])
	t.Logf("%d secrets", len(secrets))

	lines := api("GET", "/audit?limit=100", "", 200)
	if text, _ := json.Marshal(lines); len(secrets.in(text)) > 0 {
		t.Errorf("the audit log has %q", secrets.in(text))
	}
	p.search(secrets, "while it runs")
	p.Stop()
	p.search(secrets, "afterwards")
	if found := secrets.in(append(p.stdout.Bytes(), p.stderr.Bytes()...)); len(found) > 0 {
		t.Errorf("the server wrote %q:\n%s", found, &p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "/v2/hub/alpine/manifests/latest") {
		t.Errorf("the log of requests is not on: %s", &p.stderr)
	}
}

var formToken = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// signIn signs in with the page of that, and returns the cookie of the session.
func (p *process) signIn(name, password string) string {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	browser := &http.Client{Transport: p.client.Transport, Jar: jar}
	page, err := browser.Get(p.URL("/sign-in"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer page.Body.Close()
	body, err := io.ReadAll(page.Body)
	m := formToken.FindSubmatch(body)
	if err != nil || m == nil {
		p.t.Fatalf("%v %s", err, body)
	}
	done, err := browser.PostForm(p.URL("/sign-in"), url.Values{"form_token": {string(m[1])}, "name": {name}, "password": {password}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer done.Body.Close()
	at, _ := url.Parse(p.URL("/"))
	longest := ""
	for _, c := range jar.Cookies(at) {
		if strings.Contains(c.Name, "session") {
			longest = c.Value
		}
	}
	if longest == "" {
		p.t.Fatalf("not signed in: %s %v", done.Status, jar.Cookies(at))
	}
	return longest
}

// search looks into all files of the root but those whose purpose is a secret.
func (p *process) search(secrets canaries, when string) {
	p.t.Helper()
	looked := 0
	err := filepath.WalkDir(p.root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // files come and go while it runs
		}
		if err != nil || !e.Type().IsRegular() || filepath.Base(path) == "admin-password" || filepath.Base(filepath.Dir(path)) == "keys" {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		looked++
		if found := secrets.in(text); len(found) > 0 {
			p.t.Errorf("%s %s has %q", when, path, found)
		}
		return nil
	})
	if err != nil || looked < 3 {
		p.t.Errorf("looked into %d files: %v", looked, err)
	}
}
