package forward

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/outbound"
)

// SignatureHeader is "sha256=" and the HMAC-SHA256 of the body in hexadecimal, as webhooks
// have it.
const SignatureHeader = "X-Cove-Signature-256"

// poster posts lines as JSON. What the receiver answers with 2xx it has.
type poster struct {
	receiver Receiver
	host     string
	client   *http.Client
}

// Line is a line of the log as it is posted, by the names of GET /api/v1/audit.
type Line struct {
	ID     string    `json:"id"`
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Action string    `json:"action"`
	Object string    `json:"object"`
	Detail string    `json:"detail,omitempty"`
	From   string    `json:"from,omitempty"`
}

// Body is what one post has.
type Body struct {
	Registry string `json:"registry"`
	Lines    []Line `json:"lines"`
}

func newPoster(r Receiver, conf *tls.Config, host string, dial outbound.Dial) (*poster, error) {
	p := &poster{receiver: r, host: host, client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dial, TLSClientConfig: conf,
			IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true,
		},
		// A redirect would take the header along to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	_, errKey := inFile(r.SecretFile)
	_, errHeader := inFile(r.AuthorizationFile)
	return p, errors.Join(errKey, errHeader)
}

// inFile is a secret. It is read for each post: who changes the file need not start the
// registry.
func inFile(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "audit: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

func (p *poster) send(ctx context.Context, lines []audit.Event) error {
	body := Body{Registry: p.host}
	for _, e := range lines {
		body.Lines = append(body.Lines, Line{
			strconv.FormatInt(e.ID, 10), e.At.UTC(), e.Actor, e.Action, e.Object, e.Detail, e.Address,
		})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.receiver.URL, bytes.NewReader(text))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "cove-registry")
	if err := p.sign(r, text); err != nil {
		return err
	}
	resp, err := p.client.Do(r)
	if err != nil {
		return errdefs.Errorf(errdefs.ErrUnavailable, "%w", err)
	}
	defer resp.Body.Close()
	const most = 64 << 10
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, most)) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return errdefs.Errorf(errdefs.ErrUnavailable, "%s answered %s", p.receiver.URL, resp.Status)
	}
	return nil
}

// sign adds the headers by which a receiver knows who posts.
func (p *poster) sign(r *http.Request, body []byte) error {
	header, err := inFile(p.receiver.AuthorizationFile)
	if err != nil {
		return err
	}
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	key, err := inFile(p.receiver.SecretFile)
	if err != nil || key == "" {
		return err
	}
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	r.Header.Set(SignatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return nil
}

func (p *poster) close() { p.client.CloseIdleConnections() }
