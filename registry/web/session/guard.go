package session

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/edge"
)

// The names of the cookies. With TLS they begin with __Host-, which browsers
// take from this very host alone (RFC 6265bis 4.1.3.2).
const (
	signedIn = "cove_session"
	provided = "cove_oidc"  // a sign-in that is on its way through a provider
	visiting = "cove_visit" // before the sign-in: what the form's token is derived from
	hostOnly = "__Host-"
)

// FormField is the name of the hidden field with the form's token, and Header
// the header that may carry it instead.
const (
	FormField = "form_token"
	Header    = "X-Form-Token"
)

// Guard reads and writes the cookies, and refuses what another site made a
// browser send.
type Guard struct {
	origins *http.CrossOriginProtection
	secure  bool // clients come by https, whatever this process sees
}

// NewGuard returns the guard of pages that clients reach by externalURL; "" is as
// the request came.
func NewGuard(externalURL string) (*Guard, error) {
	g := &Guard{origins: http.NewCrossOriginProtection(), secure: strings.HasPrefix(externalURL, "https://")}
	if externalURL == "" {
		return g, nil
	}
	if err := g.origins.AddTrustedOrigin(strings.TrimSuffix(externalURL, "/")); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "external_url: %w", err)
	}
	return g, nil
}

// cookie is one of ours with everything but its value and its age.
func (g *Guard) cookie(r *http.Request, name string) *http.Cookie {
	c := &http.Cookie{Name: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if g.secure || strings.HasPrefix(edge.BaseURL(r), "https://") {
		c.Name, c.Secure = hostOnly+name, true
	}
	return c
}

func (g *Guard) read(r *http.Request, name string) string {
	c, err := r.Cookie(g.cookie(r, name).Name)
	if err != nil {
		return ""
	}
	return c.Value
}

// Token is what the request's session cookie holds; "" without one.
func (g *Guard) Token(r *http.Request) string { return g.read(r, signedIn) }

// Keep has the browser send the token from now on, until it is closed: when the
// session ends is for the server to know.
func (g *Guard) Keep(w http.ResponseWriter, r *http.Request, token string) {
	c := g.cookie(r, signedIn)
	c.Value = token
	http.SetCookie(w, c)
	g.drop(w, r, visiting)
}

// Use has the rest of this request taken as one of the session of a token, which
// began just now.
func (g *Guard) Use(r *http.Request, token string) {
	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: g.cookie(r, signedIn).Name, Value: token})
}

// UseVisitor has the rest of this request taken as one of a visitor whose forms
// carry what is derived from a secret.
func (g *Guard) UseVisitor(r *http.Request, secret string) {
	r.Header.Del("Cookie")
	r.AddCookie(&http.Cookie{Name: g.cookie(r, visiting).Name, Value: secret})
}

// Forget has the browser send the token no more.
func (g *Guard) Forget(w http.ResponseWriter, r *http.Request) { g.drop(w, r, signedIn) }

func (g *Guard) drop(w http.ResponseWriter, r *http.Request, name string) {
	c := g.cookie(r, name)
	c.MaxAge, c.Expires = -1, time.Unix(1, 0)
	http.SetCookie(w, c)
}

// FormToken is what the forms of an answer must send back. A visitor who is not
// signed in gets a cookie to derive it from, so that nobody can make a browser
// sign in to somebody else's account.
func (g *Guard) FormToken(w http.ResponseWriter, r *http.Request) string {
	secret := g.secretOf(r)
	if secret == "" {
		secret = rand.Text()
		c := g.cookie(r, visiting)
		c.Value = secret
		http.SetCookie(w, c)
	}
	return mask(derive(secret))
}

// mask hides the token behind a pad of its own: an answer that is compressed
// together with something that a stranger chose would let its length tell the
// token, letter by letter, if it were the same each time (the BREACH attack).
func mask(token []byte) string {
	pad := make([]byte, len(token))
	_, _ = rand.Read(pad) // never fails (crypto/rand)
	masked := make([]byte, len(token))
	subtle.XORBytes(masked, token, pad)
	return base64.RawURLEncoding.EncodeToString(append(pad, masked...))
}

// unmask undoes mask; nil for what it did not make.
func unmask(text string) []byte {
	both, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(both) != 2*sha256.Size {
		return nil
	}
	token := make([]byte, sha256.Size)
	subtle.XORBytes(token, both[:sha256.Size], both[sha256.Size:])
	return token
}

func (g *Guard) secretOf(r *http.Request) string {
	if token := g.read(r, signedIn); token != "" {
		return token
	}
	return g.read(r, visiting)
}

// derive makes the form's token: who reads it on a page does not learn the cookie.
func derive(secret string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("form")) // a hash never fails
	return mac.Sum(nil)
}

// Check refuses, as errdefs.ErrDenied, a request that changes something and did
// not come from a form of ours: by where the browser says that it comes from, and
// by the form's token. Call it after the form was parsed.
func (g *Guard) Check(r *http.Request) error {
	if err := g.origins.Check(r); err != nil {
		return errdefs.Errorf(errdefs.ErrDenied, "the request comes from another site: %w", err)
	}
	got := r.Header.Get(Header)
	if got == "" {
		got = r.PostForm.Get(FormField)
	}
	secret := g.secretOf(r)
	if secret == "" || subtle.ConstantTimeCompare(unmask(got), derive(secret)) != 1 {
		return errdefs.Errorf(errdefs.ErrDenied, "the form is too old; open the page again and repeat")
	}
	return nil
}

// Seal makes a text that only the session which it was made in can Open, for a
// cookie that a page reads after a redirect. It hides nothing.
func (g *Guard) Seal(r *http.Request, text string) string {
	return base64.RawURLEncoding.EncodeToString(append(seal(g.secretOf(r), text), text...))
}

// Open returns what Seal was given; false for anything else.
func (g *Guard) Open(r *http.Request, sealed string) (text string, ok bool) {
	both, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(both) < sha256.Size {
		return "", false
	}
	mac, text := both[:sha256.Size], string(both[sha256.Size:])
	secret := g.secretOf(r)
	return text, secret != "" && hmac.Equal(mac, seal(secret, text))
}

func seal(secret, text string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte("seal\x00" + text)) // a hash never fails
	return mac.Sum(nil)
}

// attemptLife is how long somebody may take at the provider.
const attemptLife = 15 * time.Minute

// Depart has the browser carry a text to the provider and back.
func (g *Guard) Depart(w http.ResponseWriter, r *http.Request, text string) {
	c := g.cookie(r, provided)
	c.Value, c.MaxAge = base64.RawURLEncoding.EncodeToString([]byte(text)), int(attemptLife.Seconds())
	http.SetCookie(w, c)
}

// Return is what Depart gave the browser; it is good for one answer.
func (g *Guard) Return(w http.ResponseWriter, r *http.Request) string {
	text, err := base64.RawURLEncoding.DecodeString(g.read(r, provided))
	if err != nil {
		text = nil
	}
	g.drop(w, r, provided)
	return string(text)
}
