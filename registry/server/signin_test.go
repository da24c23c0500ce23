package server

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/identity/ldap"
	"cove/registry/identity/ldaptest"
	"cove/registry/robots"
	"cove/registry/server/config"
)

// doors are all ways in for a name and a password.
var doors = map[string]func(s *Server, name, password string) *http.Request{
	"/v2/":           byPassword("GET", "/v2/"),
	"a blob":         byPassword("HEAD", "/v2/team/app/blobs/"+absentDigest),
	"an upload":      byPassword("POST", "/v2/library/app/blobs/uploads/"),
	"/token":         byPassword("GET", "/token?service=cove-registry&scope=repository:library/app:pull"),
	"/api/v1":        byPassword("GET", "/api/v1/me"),
	"/api/v1 change": byPassword("POST", "/api/v1/projects"),
	"Harbor's API":   byPassword("GET", "/api/v2.0/users/current"),
	"Harbor's list":  byPassword("GET", "/api/v2.0/projects"),
	"OAuth2": func(_ *Server, name, password string) *http.Request {
		return formOf("/token", url.Values{
			"grant_type": {"password"}, "service": {"cove-registry"}, "client_id": {"x"}, "username": {name}, "password": {password},
		})
	},
	"the page": func(s *Server, name, password string) *http.Request {
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, httptest.NewRequest("GET", "http://registry.test/sign-in", nil))
		_, token, _ := strings.Cut(w.Body.String(), `name="form_token" value="`)
		token, _, _ = strings.Cut(token, `"`)
		r := formOf("/sign-in", url.Values{"name": {name}, "password": {password}, "form_token": {token}})
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		return r
	},
}

func byPassword(method, path string) func(*Server, string, string) *http.Request {
	return func(_ *Server, name, password string) *http.Request {
		r := httptest.NewRequest(method, "http://registry.test"+path, strings.NewReader("{}"))
		r.SetBasicAuth(name, password)
		r.Header.Set("Content-Type", "application/json")
		return r
	}
}

func formOf(path string, form url.Values) *http.Request {
	r := httptest.NewRequest("POST", "http://registry.test"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// guessed is a registry that is guessed at, each time from another address.
type guessed struct {
	*testing.T
	*Server
	at    atomic.Int64 // how often
	ahead atomic.Int64 // what its clock is ahead, so that nobody is slowed down
}

// newGuessed has an account of every kind: of people, of robots, disabled and expired,
// and names that nobody has.
func newGuessed(t *testing.T, dir *ldap.Config) (g *guessed, names []string) {
	t.Helper()
	g = &guessed{T: t}
	g.Server = newTestServer(t, config.Config{LDAP: dir, Machine: func() time.Time {
		return time.Now().Add(time.Duration(g.ahead.Load()))
	}})
	op, ctx, yes := auth.Operator(), t.Context(), true
	people, bots := g.state.services.Accounts, g.state.services.Robots
	for _, name := range []string{"ada", "gone", "grace-hopper-of-the-navy"} {
		must(t, people.Add(ctx, op, name, testPassword, false))
	}
	_, err := people.Change(ctx, op, "gone", accounts.Change{Disabled: &yes})
	must(t, err)
	past := time.Now().Add(-time.Hour)
	for name, change := range map[string]robots.Change{"ci": {}, "off": {Disabled: &yes}, "old": {ExpiresAt: &past}} {
		made, _, err := bots.Create(ctx, op, robots.Spec{Project: "library", Name: name, Rights: []string{"pull"}})
		must(t, err)
		must(t, bots.Change(ctx, op, made.Name, change))
		names = append(names, made.Name)
	}
	return g, append(names, "admin", "ada", "gone", "grace-hopper-of-the-navy", "nobody", "ADA", "nobody-of-the-name-at-all",
		strings.Replace(names[0], "ci", "none", 1), "no name", "ünïcode", "x'; --", strings.Repeat("n", 300))
}

// guess is one wrong password at one door: what is answered, how many hashes that took,
// and how long.
func (g *guessed) guess(door, name, password string) (answer string, hashes int64, took time.Duration) {
	g.Helper()
	n := g.at.Add(1)
	if n%40 == 0 {
		g.ahead.Add(int64(16 * time.Minute))
	}
	r := doors[door](g.Server, name, password)
	r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:1000", n>>16&255, n>>8&255, n&255)
	before := g.state.hasher.Made()
	w := httptest.NewRecorder()
	begun := time.Now()
	g.handler.ServeHTTP(w, r)
	took = time.Since(begun)
	if w.Code != http.StatusUnauthorized {
		g.Errorf("%s, %.40q: %d %s", door, name, w.Code, w.Body)
	}
	h := w.Header().Clone()
	for _, own := range []string{"Date", "X-Request-Id", "Set-Cookie"} { // of the request, and random
		h.Del(own)
	}
	var all strings.Builder
	for _, key := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintln(&all, key, h[key])
	}
	body := w.Body.String()
	if door == "the page" {
		before, _, _ := strings.Cut(body, `<form`) // the form shows the name that was typed
		body = before[:strings.LastIndex(before, "<")]
	}
	return all.String() + body, g.state.hasher.Made() - before, took
}

// TestWrongPasswordsTellNothing guesses at every door for accounts of every kind, and for
// none: the answer is the same to the letter, and each costs one hash.
func TestWrongPasswordsTellNothing(t *testing.T) {
	g, names := newGuessed(t, nil)
	n := 0
	for door := range doors {
		first, _, _ := g.guess(door, "nobody", "wrong")
		for i, name := range names {
			for _, password := range []string{"wrong", "", strings.Repeat("long", 1000)}[:1+2*(i&1)] {
				answer, hashes, _ := g.guess(door, name, password)
				if answer != first || hashes != 1 {
					t.Errorf("%s, %.40q with a password of %d bytes: %d hashes and\n%s\nwhere nobody gets\n%s", door, name,
						len(password), hashes, answer, first)
				}
				n++
			}
		}
	}
	t.Logf("%d guesses at %d doors", n, len(doors))
}

// TestWrongPasswordsOfADirectory: where some passwords are checked by a directory, who is
// in it, who has an account here and who is nowhere are answered the same after the same
// time, give or take what a busy machine does.
func TestWrongPasswordsOfADirectory(t *testing.T) {
	dir := ldaptest.Start(t)
	g, names := newGuessed(t, &ldap.Config{
		URL: dir.TLS, CA: dir.CA, BaseDN: ldaptest.BaseDN, BindDN: ldaptest.BindDN, PasswordFile: dir.Secret,
	})
	names = append(names, "grace", "*", "a*", "(uid=ada)", "ada)(uid=*", `\2a`)
	for _, door := range []string{"/token", "the page", "/api/v1"} {
		first, _, _ := g.guess(door, "nobody", "wrong")
		for i, name := range names {
			answer, hashes, took := g.guess(door, name, []string{"wrong", ""}[i&1])
			if answer != first || hashes > 1 {
				t.Errorf("%s, %.40q: %d hashes and\n%s\nwhere nobody gets\n%s", door, name, hashes, answer, first)
			}
			if took < 250*time.Millisecond {
				t.Errorf("%s, %.40q: it is answered in %s", door, name, took)
			}
		}
	}
}

// TestGuessersAreSlowedAtEveryDoor guesses at one account from one address through each
// door: ten tries are free, and the account's owner, who is known elsewhere, notices
// nothing.
func TestGuessersAreSlowedAtEveryDoor(t *testing.T) {
	g, _ := newGuessed(t, nil)
	for door := range doors {
		t.Run(door, func(t *testing.T) {
			s := g.Server
			g.ahead.Add(int64(16 * time.Minute))
			try := func(address, password string) int {
				r := doors[door](s, "admin", password)
				r.RemoteAddr = address + ":1000"
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				return w.Code
			}
			owner := try("10.0.0.2", testPassword)
			for n := 1; n <= 10; n++ {
				if got := try("10.0.0.1", "wrong"); got != http.StatusUnauthorized {
					t.Fatalf("guess %d: %d", n, got)
				}
			}
			// The eleventh waits for a second; one beside it does not wait at all.
			answers := make(chan int, 2)
			for range 2 {
				go func() { answers <- try("10.0.0.1", "wrong") }()
			}
			if a, b := <-answers, <-answers; a != http.StatusTooManyRequests && b != http.StatusTooManyRequests {
				t.Errorf("two more guesses at once: %d and %d", a, b)
			}
			begun := time.Now()
			if got := try("10.0.0.2", testPassword); got != owner || owner == 401 || time.Since(begun) > time.Second {
				t.Errorf("the owner: %d, and %d before, after %s", got, owner, time.Since(begun))
			}
		})
	}
}

// TestTimeOfWrongPasswords (soak) measures how long wrong passwords take, for accounts of
// each kind and for none. Each round asks for all of them in another order and compares what
// each took with the median of the round, so that what slows the machine down for a moment,
// or for good, is in both. The median of these differences says what a name costs; the
// interval around it, how well that is known (it has the true median in 95 of 100 cases: the
// order statistics at half of n, give or take the square root of n).
func TestTimeOfWrongPasswords(t *testing.T) {
	if os.Getenv("COVE_SOAK") == "" {
		t.Skip("two minutes of hashes: set COVE_SOAK=1")
	}
	g, names := newGuessed(t, nil)
	const each, most = time.Minute, time.Millisecond
	rnd := rand.New(rand.NewPCG(13, 13))
	for _, door := range []string{"/token", "the page"} {
		apart, base := map[string][]time.Duration{}, []time.Duration{}
		for ends := time.Now().Add(each); time.Now().Before(ends); {
			took := map[string]time.Duration{}
			rnd.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			for _, name := range names {
				_, _, took[name] = g.guess(door, name, "wrong")
			}
			round := slices.Sorted(maps.Values(took))
			base = append(base, round[len(round)/2])
			for _, name := range names {
				apart[name] = append(apart[name], took[name]-round[len(round)/2])
			}
		}
		slices.Sort(base)
		t.Logf("%s: %d rounds of %d names; one takes %s", door, len(base), len(names), base[len(base)/2])
		for _, name := range slices.Sorted(maps.Keys(apart)) {
			all := apart[name]
			slices.Sort(all)
			n, give := len(all), int(math.Sqrt(float64(len(all))))
			low, median, high := all[max(n/2-give, 0)], all[n/2], all[min(n/2+give, n-1)]
			t.Logf("%s, %.30q: %s apart, between %s and %s", door, name, median, low, high)
			if median.Abs() >= most {
				t.Errorf("%s, %.30q: %s apart from the others, which tells names", door, name, median)
			}
			if high-low >= 2*most {
				t.Errorf("%s, %.30q: between %s and %s apart, which says nothing: the machine is too busy", door, name, low, high)
			}
		}
	}
}
