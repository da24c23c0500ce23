package endpoint

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"cove/distribution/client"
	"cove/distribution/client/credentials"
	"cove/distribution/copy"
	"cove/errdefs"
	"cove/reference"
	"cove/registry/auth"
	"cove/registry/outbound"
)

// Line is an endpoint that can be spoken to. It is safe for concurrent use. Close it.
type Line struct {
	Endpoint
	client *client.Client
	http   *http.Client // of the APIs of Harbor and Docker Hub
	secret string
	hub    string // where Docker Hub's API is
}

// Dial opens an endpoint; nothing is sent yet. What cfg says is how registries are
// reached, but for credentials and authorities.
func (s *Service) Dial(e Endpoint, cfg client.Config) (*Line, error) {
	secret, err := s.box.Open(e.secret, e.sealedFor())
	if err != nil {
		return nil, err
	}
	cfg.Keychain = credentials.Only(e.Host, credentials.Credentials{Username: e.User, Password: secret})
	cfg.Authorities = []byte(e.CA)
	if e.Plain {
		cfg.Insecure = append([]string{e.Host}, cfg.Insecure...)
	}
	dial := s.outbound.DialTo(e.Host, nil)
	if cfg.Dial == nil {
		cfg.Dial = dial
	}
	l := &Line{Endpoint: e, secret: secret, hub: "https://hub.docker.com"}
	if l.client, err = client.New(cfg); err != nil {
		return nil, err
	}
	l.http = e.plainClient(dial)
	return l, nil
}

// plainClient speaks to the endpoint's own address alone: it follows no redirect, so
// no answer leads it elsewhere.
func (e Endpoint) plainClient(dial outbound.Dial) *http.Client {
	const answer = time.Minute
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: e.Plain} //nolint:gosec // asked for by name
	if e.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM([]byte(e.CA)) // it was checked
		conf.RootCAs = pool
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSClientConfig: conf,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answer,
	}
}

// Close gives up connections.
func (l *Line) Close() {
	_ = l.client.Close() // idle ones
	l.http.CloseIdleConnections()
}

// Remote is a repository there, by its name as people type it: official images of
// Docker Hub are in library.
func (l *Line) Remote(repo string) *copy.Remote {
	if l.Kind == DockerHub && !strings.Contains(repo, "/") {
		repo = "library/" + repo
	}
	return &copy.Remote{Repo: l.client.Repository(l.Host, repo)}
}

// Ping says whether the endpoint answers and takes the credentials.
func (l *Line) Ping(ctx context.Context) error {
	if l.User == "" {
		return l.client.Ping(ctx, l.Host)
	}
	return l.client.Login(ctx, l.Host, l.User, l.secret)
}

// Test is Ping of an endpoint by its name, with the client that cfg makes.
func (s *Service) Test(ctx context.Context, by auth.Caller, name string, cfg client.Config) error {
	e, err := s.Get(ctx, by, name)
	if err != nil {
		return err
	}
	l, err := s.Dial(e, cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Ping(ctx)
}

// Try says whether an endpoint that is to be answers and takes the credentials. Where spec
// keeps the password it is that of old, if user and host stay.
func (s *Service) Try(ctx context.Context, by auth.Caller, old Endpoint, spec Spec) error {
	if err := s.permit(ctx, s.db, by); err != nil {
		return err
	}
	e, err := spec.check()
	if err != nil {
		return err
	}
	if err := s.keep(&e, spec, old); err != nil {
		return err
	}
	l, err := s.Dial(e, client.Config{RetryFor: -1})
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Ping(ctx)
}

// Repositories lists those that a glob of full names may choose. A glob without
// wildcards is a name, for which nobody is asked.
func (l *Line) Repositories(ctx context.Context, glob string) ([]string, error) {
	names, fixed := literal(glob)
	switch {
	case fixed:
		return names, nil
	case l.Kind == Harbor:
		return l.harborRepositories(ctx)
	case l.Kind == DockerHub:
		return l.hubRepositories(ctx, glob)
	}
	all, err := l.client.Catalog(ctx, l.Host)
	if err != nil {
		return nil, fmt.Errorf("the catalog of %s, which the filter %q needs: %w", l.Host, glob, err)
	}
	return all, nil
}

// literal are the names that a glob without * ? and [ stands for.
func literal(glob string) (names []string, ok bool) {
	if glob == "" || strings.ContainsAny(glob, `*?[\`) {
		return nil, false
	}
	begin, rest, braced := strings.Cut(glob, "{")
	if !braced {
		return []string{glob}, true
	}
	list, end, _ := strings.Cut(rest, "}")
	if strings.ContainsAny(list+end, "{}") {
		return nil, false
	}
	for one := range strings.SplitSeq(list, ",") {
		names = append(names, begin+one+end)
	}
	return names, true
}

const (
	perPage  = 100
	maxPages = 10_000
	maxBody  = 8 << 20
)

// harborRepositories are those that the account may see.
func (l *Line) harborRepositories(ctx context.Context) ([]string, error) {
	var all []string
	for page := 1; page <= maxPages; page++ {
		var some []struct{ Name string }
		q := url.Values{"page": {fmt.Sprint(page)}, "page_size": {fmt.Sprint(perPage)}, "sort": {"name"}}
		if _, err := l.call(ctx, http.MethodGet, l.harbor("/repositories?"+q.Encode()), nil, &some); err != nil {
			return nil, err
		}
		for _, repo := range some {
			all = append(all, repo.Name)
		}
		if len(some) < perPage {
			return all, nil
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrExhausted, "registry %s: its list of repositories does not end", l.Host)
}

// Prepare makes what a push to a repository needs there: Harbor takes pushes to
// projects that exist. The project is private.
func (l *Line) Prepare(ctx context.Context, repo string) error {
	if l.Kind != Harbor {
		return nil
	}
	project, _, ok := strings.Cut(repo, "/")
	if !ok {
		return errdefs.Errorf(
			errdefs.ErrInvalid,
			"harbor %s: %q is in no project; give the rule a namespace",
			l.Host,
			repo,
		)
	}
	status, err := l.call(ctx, http.MethodHead, l.harbor("/projects?project_name="+url.QueryEscape(project)), nil, nil)
	if err == nil || status != http.StatusNotFound {
		return err
	}
	made := map[string]any{"project_name": project, "metadata": map[string]string{"public": "false"}}
	status, err = l.call(ctx, http.MethodPost, l.harbor("/projects"), made, nil)
	if status == http.StatusConflict { // another was faster
		return nil
	}
	return err
}

func (l *Line) harbor(path string) string {
	scheme := "https"
	if l.Plain {
		scheme = "http"
	}
	return scheme + "://" + l.Host + "/api/v2.0" + path
}

// hubRepositories are those of the namespace with which the glob begins.
func (l *Line) hubRepositories(ctx context.Context, glob string) ([]string, error) {
	namespace, _, ok := strings.Cut(glob, "/")
	if _, fixed := literal(namespace); !ok || !fixed || strings.Contains(namespace, "{") ||
		!reference.ValidRepository(namespace) {
		return nil, errdefs.Errorf(errdefs.ErrInvalid,
			"docker.io has no list of all repositories: begin the filter %q with a namespace, as team/**", glob)
	}
	var all []string
	next := l.hub + "/v2/namespaces/" + namespace + "/repositories?" + url.Values{
		"page_size": {fmt.Sprint(perPage)},
	}.Encode()
	for range maxPages {
		var page struct {
			Next    string
			Results []struct{ Name string }
		}
		if _, err := l.call(ctx, http.MethodGet, next, nil, &page); err != nil {
			return nil, err
		}
		for _, repo := range page.Results {
			all = append(all, namespace+"/"+repo.Name)
		}
		if page.Next == "" {
			return all, nil
		}
		if next = page.Next; !strings.HasPrefix(next, l.hub+"/") {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "docker.io: its list of repositories leads elsewhere")
		}
	}
	return nil, errdefs.Errorf(errdefs.ErrExhausted, "docker.io: its list of repositories does not end")
}

// call asks an API of JSON. The status is that of the answer, 0 without one.
func (l *Line) call(ctx context.Context, method, address string, in, out any) (status int, err error) {
	var body io.Reader = http.NoBody
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = strings.NewReader(string(text))
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if l.User != "" && l.Kind == Harbor {
		req.SetBasicAuth(l.User, l.secret)
	}
	resp, err := l.http.Do(req)
	if err != nil {
		return 0, errdefs.Errorf(errdefs.ErrUnavailable, "registry %s: %w", l.Host, err)
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if err := refusal(l.Host, resp); err != nil {
		return resp.StatusCode, err
	}
	if out == nil {
		return resp.StatusCode, nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxBody)).Decode(out); err != nil {
		return resp.StatusCode, errdefs.Errorf(
			errdefs.ErrInvalid,
			"registry %s: its API answers no JSON: %w",
			l.Host,
			err,
		)
	}
	return resp.StatusCode, nil
}

// refusal is the error of an answer that is none of success.
func refusal(host string, resp *http.Response) error {
	kind := errdefs.ErrInvalid
	switch status := resp.StatusCode; {
	case status < http.StatusMultipleChoices:
		return nil
	case status == http.StatusUnauthorized:
		kind = errdefs.ErrUnauthenticated
	case status == http.StatusForbidden:
		kind = errdefs.ErrDenied
	case status == http.StatusNotFound:
		kind = errdefs.ErrNotFound
	case status == http.StatusConflict:
		kind = errdefs.ErrConflict
	case status == http.StatusTooManyRequests || status >= http.StatusInternalServerError:
		kind = errdefs.ErrUnavailable
	}
	return errdefs.Errorf(kind, "registry %s: its API answers %s", host, resp.Status)
}
