// Package adapter speaks to scanners of others as Harbor does, by version 1 of its API
// for pluggable scanners: what a scanner can, a scan, and its report, which is asked for
// until it is there. It knows no database.
package adapter

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/outbound"
)

// The media types of the API.
const (
	typeMetadata = "application/vnd.scanner.adapter.metadata+json; version=1.1"
	typeOlder    = "application/vnd.scanner.adapter.metadata+json; version=1.0"
	typeRequest  = "application/vnd.scanner.adapter.scan.request+json; version=1.1"
	typeOldest   = "application/vnd.scanner.adapter.scan.request+json; version=1.0"
	typeAccepted = "application/vnd.scanner.adapter.scan.response+json; version=1.0"
)

// reports are the forms of reports that are read, the better one first.
var reports = []string{
	"application/vnd.security.vulnerability.report; version=1.1",
	"application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0",
}

// ofVulnerabilities is the capability that is used. One without a type is meant so.
const ofVulnerabilities = "vulnerability"

// Auth is how a scanner is signed in to.
type Auth string

// The ways to sign in.
const (
	NoAuth Auth = ""
	Basic  Auth = "basic"   // USER:PASSWORD
	Bearer Auth = "bearer"  // a token
	APIKey Auth = "api-key" // the header X-ScannerAdapter-API-Key
)

// Auths lists all of them.
func Auths() []Auth { return []Auth{NoAuth, Basic, Bearer, APIKey} }

// Config says where a scanner is.
type Config struct {
	// URL is where it is, without /api/v1.
	URL        string
	Auth       Auth
	Credential string
	// SkipVerify takes a certificate that nobody vouches for; CA has certificates in PEM
	// form to trust beside the system's.
	SkipVerify bool
	CA         string
	Dial       outbound.Dial
}

const (
	answerWithin = time.Minute
	maxSmall     = 1 << 20
	maxReport    = 256 << 20
)

// Client asks one scanner. It is safe for concurrent use. Close it.
type Client struct {
	cfg  Config
	http *http.Client
}

// New returns a client; nothing is sent yet.
func New(cfg Config) *Client {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.SkipVerify} //nolint:gosec // asked for
	if cfg.CA != "" {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		pool.AppendCertsFromPEM([]byte(cfg.CA))
		conf.RootCAs = pool
	}
	return &Client{cfg: cfg, http: &http.Client{
		Timeout:   answerWithin,
		Transport: &http.Transport{DialContext: cfg.Dial, TLSClientConfig: conf},
		// 302 is an answer of the API, and nothing leads elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close gives up connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Scanner is what a scanner calls itself.
type Scanner struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

// Metadata is what a scanner can.
type Metadata struct {
	Scanner      Scanner           `json:"scanner"`
	Capabilities []Capability      `json:"capabilities"`
	Properties   map[string]string `json:"properties"`
}

// Capability is what a scanner makes of which artifacts.
type Capability struct {
	Type     string   `json:"type"`
	Consumes []string `json:"consumes_mime_types"`
	Produces []string `json:"produces_mime_types"`
}

// Report is the form of reports of vulnerabilities that a scanner makes of artifacts of a
// type; of any type when that is "". Without one the error is errdefs.ErrUnsupported.
func (m Metadata) Report(ofType string) (string, error) {
	for _, form := range reports {
		for _, c := range m.Capabilities {
			if (c.Type == "" || c.Type == ofVulnerabilities) && has(c.Produces, form) &&
				(ofType == "" || has(c.Consumes, ofType)) {
				return form, nil
			}
		}
	}
	if ofType == "" {
		return "", errdefs.Errorf(errdefs.ErrUnsupported,
			"scanner %q makes no report of vulnerabilities that is read here, which is %s", m.Scanner.Name,
			strings.Join(reports, " or "))
	}
	return "", errdefs.Errorf(errdefs.ErrUnsupported, "scanner %q does not scan artifacts of the type %s",
		m.Scanner.Name, ofType)
}

// has says whether a media type is listed, however its parameters are written.
func has(list []string, mediaType string) bool {
	return slices.ContainsFunc(list, func(one string) bool { return same(one, mediaType) })
}

func same(a, b string) bool {
	nameA, paramsA, errA := mime.ParseMediaType(a)
	nameB, paramsB, errB := mime.ParseMediaType(b)
	return errA == nil && errB == nil && nameA == nameB && paramsA["version"] == paramsB["version"]
}

// Metadata asks what the scanner can. One that makes no report that is read here is
// errdefs.ErrUnsupported.
func (c *Client) Metadata(ctx context.Context) (m Metadata, err error) {
	accept := http.Header{"Accept": {typeMetadata + ", " + typeOlder}}
	resp, err := c.send(ctx, http.MethodGet, "/metadata", accept, nil) //nolint:bodyclose // read closes it
	if err != nil {
		return m, err
	}
	if err := c.read(resp, http.StatusOK, maxSmall, &m); err != nil {
		return m, err
	}
	_, err = m.Report("")
	return m, err
}

// Artifact is what is scanned.
type Artifact struct {
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
	Tag        string `json:"tag,omitempty"`
	MediaType  string `json:"mime_type"`
}

// Registry is where it is pulled from.
type Registry struct {
	URL string `json:"url"`
	// Authorization is the header of that name.
	Authorization string `json:"authorization"`
}

type request struct {
	Registry     Registry  `json:"registry"`
	Artifact     Artifact  `json:"artifact"`
	Capabilities []enabled `json:"enabled_capabilities"`
}

type enabled struct {
	Type     string   `json:"type"`
	Produces []string `json:"produces_mime_types"`
}

// Begin has an artifact scanned, for a report of a form, and returns the name of the scan.
func (c *Client) Begin(ctx context.Context, from Registry, a Artifact, form string) (id string, err error) {
	body, err := json.Marshal(request{from, a, []enabled{{ofVulnerabilities, []string{form}}}})
	if err != nil {
		return "", err
	}
	var accepted struct {
		ID string `json:"id"`
	}
	for _, contentType := range []string{typeRequest, typeOldest} {
		header := http.Header{"Content-Type": {contentType}, "Accept": {typeAccepted}}
		var resp *http.Response
		if resp, err = c.send(ctx, http.MethodPost, "/scan", header, body); err != nil {
			return "", err
		}
		if resp.StatusCode == http.StatusUnsupportedMediaType && contentType != typeOldest {
			_ = resp.Body.Close() // a scanner of before 1.1
			continue
		}
		if err = c.read(resp, http.StatusAccepted, maxSmall, &accepted); err == nil && accepted.ID == "" {
			err = errdefs.Errorf(errdefs.ErrCorrupt, "scanner %s: its answer to a scan names none", c.cfg.URL)
		}
		break
	}
	return accepted.ID, err
}

const (
	shortWait   = time.Second
	usualWait   = 5 * time.Second
	longestWait = time.Minute
)

// Report waits for the report of a scan, as long as ctx lasts, and calls wait with how
// long the scanner says to.
func (c *Client) Report(ctx context.Context, id, form string, wait func(time.Duration)) (r Report, err error) {
	path := "/scan/" + url.PathEscape(id) + "/report"
	for {
		resp, err := c.send(ctx, http.MethodGet, path, http.Header{"Accept": {form}}, nil)
		if err != nil {
			return r, err
		}
		if resp.StatusCode != http.StatusFound {
			return r, c.read(resp, http.StatusOK, maxReport, &r)
		}
		pause := after(resp.Header)
		if err := resp.Body.Close(); err != nil {
			return r, err
		}
		wait(pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return r, ctx.Err()
		}
	}
}

// after is how long to wait, in bounds.
func after(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(h.Get("Refresh-After")))
	if err != nil {
		return usualWait
	}
	return min(max(time.Duration(min(seconds, 3600))*time.Second, shortWait), longestWait)
}

func (c *Client) send(
	ctx context.Context, method, path string, header http.Header, body []byte,
) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.cfg.URL+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	switch c.cfg.Auth {
	case Basic:
		user, password, _ := strings.Cut(c.cfg.Credential, ":")
		req.SetBasicAuth(user, password)
	case Bearer:
		req.Header.Set("Authorization", "Bearer "+c.cfg.Credential)
	case APIKey:
		req.Header.Set("X-ScannerAdapter-API-Key", c.cfg.Credential)
	}
	resp, err := c.http.Do(req)
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errdefs.ErrDenied):
		return nil, err
	}
	return nil, errdefs.Errorf(errdefs.ErrUnavailable, "scanner %s: %w", c.cfg.URL, err)
}

// read reads an answer, which is to have a status.
func (c *Client) read(resp *http.Response, status int, most int64, into any) (err error) {
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return errdefs.Errorf(errdefs.ErrUnavailable, "scanner %s: %w", c.cfg.URL, err)
	case int64(len(text)) > most:
		return errdefs.Errorf(errdefs.ErrInvalid, "scanner %s: its answer has more than %d bytes", c.cfg.URL, most)
	case resp.StatusCode != status:
		return c.refused(resp, text)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return errdefs.Errorf(errdefs.ErrCorrupt, "scanner %s: its answer cannot be read: %w", c.cfg.URL, err)
	}
	return nil
}

// refused is what a scanner says that did not do what it was asked for.
func (c *Client) refused(resp *http.Response, text []byte) error {
	var said struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	why := resp.Status
	const longest = 500
	if err := json.Unmarshal(text, &said); err == nil && said.Error.Message != "" {
		why += ": " + said.Error.Message[:min(len(said.Error.Message), longest)]
	}
	kind := errdefs.ErrUnavailable
	reported := strings.HasSuffix(resp.Request.URL.Path, "/report")
	switch resp.StatusCode {
	case http.StatusInternalServerError:
		if reported { // the scan has failed, and so it would again
			kind = errdefs.ErrCorrupt
		}
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = errdefs.ErrUnauthenticated
	case http.StatusNotImplemented, http.StatusUnprocessableEntity, http.StatusBadRequest:
		kind = errdefs.ErrUnsupported
	}
	return errdefs.Errorf(kind, "scanner %s answers %s", c.cfg.URL, why)
}
