package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth/passhash"
	"cove/registry/auth/throttle"
	"cove/registry/metadata"
)

func newKeyDir(t *testing.T) *os.Root {
	t.Helper()
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	h := passhash.NewHasher(1)
	stored, err := h.Hash(t.Context(), testPassword)
	if err != nil || !strings.HasPrefix(stored, "$argon2id$v=19$m=7168,t=5,p=1$") {
		t.Fatalf("%q, %v", stored, err)
	}
	for _, tc := range []struct {
		stored, password string
		want             bool
	}{
		{stored, testPassword, true},
		{stored, testPassword + " ", false},
		{stored, "", false},
		{"", "", false},
		{"", testPassword, false},
		{"x", testPassword, false},
		{strings.Replace(stored, "argon2id", "argon2i", 1), testPassword, false},
		{strings.Replace(stored, "m=7168", "m=4000000000", 1), testPassword, false},
		{strings.Replace(stored, "t=5", "t=0", 1), testPassword, false},
	} {
		got, err := h.Verify(t.Context(), tc.stored, tc.password)
		if err != nil || got != tc.want {
			t.Errorf("%.40q with %q: %v, %v", tc.stored, tc.password, got, err)
		}
	}
	for _, password := range []string{"", "short", strings.Repeat("x", passhash.MaxPassword+1)} {
		if _, err := h.Hash(t.Context(), password); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("a password of %d characters: %v", len(password), err)
		}
	}
}

// TestThrottle guesses in the ways that a throttle must tell apart. Every case
// ends with a right password; the failures before it are counted as a wrong
// password counts them, without its cost.
func TestThrottle(t *testing.T) {
	t.Parallel()
	const office, elsewhere = "10.0.0.1", "10.0.0.2"
	for _, tc := range []struct {
		name    string
		failed  func(f *fixture)
		user    string
		address string
		later   time.Duration
		paused  time.Duration
		refused bool
	}{
		{name: "some mistakes", user: "admin", address: office, failed: func(f *fixture) { f.guess(throttle.TriesByPair-1, "admin", office) }},
		{
			name: "a guesser at one account", user: "admin", address: office, refused: true,
			failed: func(f *fixture) { f.guess(throttle.TriesByPair+5, "admin", office) },
		},
		{
			name: "a guesser who waited", user: "admin", address: office, later: throttle.MaxDelay,
			failed: func(f *fixture) { f.guess(throttle.TriesByPair+5, "admin", office) },
		},
		{
			name: "the account from elsewhere", user: "admin", address: elsewhere,
			failed: func(f *fixture) { f.guess(throttle.TriesByPair+5, "admin", office) },
		},
		{
			name: "another account from there", user: "developer", address: office,
			failed: func(f *fixture) { f.guess(throttle.TriesByPair+5, "admin", office) },
		},
		{
			name: "a new account behind a proxy with a guesser at many", user: "admin", address: office,
			failed: func(f *fixture) { f.guessAtMany(office) },
		},
		{
			name: "one that was guessed at among many", user: "admin", address: office, refused: true,
			failed: func(f *fixture) { f.guessAtMany(office); f.guess(throttle.TriesOfCrowd+2, "admin", office) },
		},
		{
			name: "a known account there", user: "admin", address: office,
			failed: func(f *fixture) {
				f.signIn("admin", office)
				f.guessAtMany(office)
			},
		},
		{
			name: "a known account that is guessed at from its own address", user: "admin", address: office, paused: throttle.MaxPause,
			failed: func(f *fixture) {
				f.signIn("admin", office)
				f.guess(115, "admin", office)
			},
		},
		{
			// Its password is remembered, but no longer compared for nothing.
			name: "a known account, guessed at while it is remembered", user: "admin", address: office, paused: throttle.FirstDelay,
			failed: func(f *fixture) {
				f.signIn("admin", office)
				for i := range throttle.TriesByPair {
					f.login.throttle.Remembered(&throttle.Attempt{Name: "admin", Address: office, Mark: [32]byte{byte(i)}})
				}
			},
		},
		{
			name: "a remembered password from where nobody signed in", user: "admin", address: elsewhere, refused: true,
			failed: func(f *fixture) { f.signIn("admin", office); f.guess(throttle.TriesByPair+5, "admin", elsewhere) },
		},
		{
			name: "an account guessed at from everywhere", user: "admin", address: elsewhere, refused: true,
			failed: func(f *fixture) { f.guessFromEverywhere("admin") },
		},
		{
			name: "a known account guessed at from everywhere", user: "admin", address: elsewhere,
			failed: func(f *fixture) {
				f.signIn("admin", elsewhere)
				f.guessFromEverywhere("admin")
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, false)
			var paused time.Duration
			f.login.pause = func(_ context.Context, d time.Duration) error { paused += d; return nil }
			tc.failed(f)
			f.clock.Advance(tc.later)
			_, err := f.login.Check(t.Context(), tc.user, testPassword, tc.address)
			var limited *errcode.Error
			refused := errors.As(err, &limited) && limited.Status == http.StatusTooManyRequests && limited.RetryAfter > 0
			if refused != tc.refused || err != nil && !refused || paused != tc.paused {
				t.Errorf("refused %v, paused %v, %v", refused, paused, err)
			}
		})
	}
}

func (f *fixture) guess(n int, name, address string) {
	for range n {
		f.login.throttle.Failed(&throttle.Attempt{Name: name, Address: address})
	}
}

func (f *fixture) guessAtMany(address string) {
	for i := range 2 * throttle.TriesByAddress {
		f.guess(1, fmt.Sprint("user", i), address)
	}
}

// signIn makes the password of name remembered at address.
func (f *fixture) signIn(name, address string) {
	u, err := f.login.user(context.Background(), name)
	if err != nil {
		panic(err)
	}
	f.login.throttle.Succeeded(&throttle.Attempt{Name: name, Address: address, Mark: f.login.mark(u, testPassword)})
}

func (f *fixture) guessFromEverywhere(name string) {
	for i := range 2 * throttle.TriesByAccount {
		f.guess(1, name, fmt.Sprint("192.0.2.", i))
	}
}

// TestGuessesAtOnceAreCounted sends more wrong passwords together than may fail
// before the throttle answers: they must not pass it because none has failed
// yet when they come.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.login.pause = func(context.Context, time.Duration) error { return nil }
	const guesses = 4 * throttle.TriesByPair
	var wrong atomic.Int32
	var all sync.WaitGroup
	for i := range guesses {
		all.Go(func() {
			_, err := f.login.Check(t.Context(), "admin", fmt.Sprint("guess ", i), "10.0.0.1")
			if errors.Is(err, errdefs.ErrUnauthenticated) {
				wrong.Add(1)
			}
		})
	}
	all.Wait()
	if n := wrong.Load(); n != throttle.TriesByPair {
		t.Errorf("%d of %d passwords were tried", n, guesses)
	}
	f.clock.Advance(throttle.MaxDelay)
	if _, err := f.login.Check(t.Context(), "admin", testPassword, "10.0.0.1"); err != nil {
		t.Errorf("the right one, after what it was told to wait: %v", err)
	}
}

// TestOwnerBesideAGuesser has somebody guess without a break at an account that is
// known at the address which they share: its owner waits for a turn and is let in.
// Of a crowd only a few wait.
func TestOwnerBesideAGuesser(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	f.signIn("admin", "10.0.0.1")
	f.guess(115, "admin", "10.0.0.1")
	f.login.pause = func(context.Context, time.Duration) error { return nil }
	guess := &throttle.Attempt{Name: "admin", Address: "10.0.0.1"}
	done, err := f.login.turn(t.Context(), guess)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := f.login.Check(t.Context(), "admin", testPassword, "10.0.0.1"); err != nil {
			t.Errorf("the owner: %v", err)
		}
	})
	for range maxPausing - 2 {
		all.Go(func() {
			if done, err := f.login.turn(t.Context(), guess); err != nil {
				t.Errorf("another who may wait: %v", err)
			} else {
				done()
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for { // until all of them wait; before that the next one would wait too, were it not gone
		_, err := f.login.turn(gone, guess)
		var limited *errcode.Error
		if errors.As(err, &limited) && limited.Status == http.StatusTooManyRequests {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	done()
	all.Wait()
}

// TestSigningInAtOnce has many of one account's requests come together, as a push makes them from one address, and
// a cluster from those of all its machines: one hash answers all, and the next of a machine that is known already.
// A wrong password is hashed for each, and a password that was changed is right nowhere.
func TestSigningInAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	atOnce := func(password string, want error) (hashes int64) {
		t.Helper()
		before := f.login.hasher.Made()
		var all sync.WaitGroup
		for i := range 90 {
			all.Go(func() {
				if _, err := f.login.Check(t.Context(), "admin", password, fmt.Sprint("10.0.0.", i/3)); !errors.Is(err, want) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		return f.login.hasher.Made() - before
	}
	if n := atOnce(testPassword, nil); n != 1 {
		t.Errorf("%d hashes for one password", n)
	}
	if n := atOnce(testPassword, nil); n != 0 {
		t.Errorf("%d hashes for one that was right a moment ago", n)
	}
	if n := atOnce("another password", errdefs.ErrUnauthenticated); n != 90 {
		t.Errorf("%d hashes of 90 wrong passwords", n)
	}
	f.clock.Advance(throttle.RememberedFor)
	if n := atOnce(testPassword, nil); n != 1 {
		t.Errorf("%d hashes when it is to be hashed again", n)
	}
	f.login.Ask(nil)
	if n := atOnce(testPassword, nil); n != 1 {
		t.Errorf("%d hashes after all was to be checked again", n)
	}
}

// TestAnswersTellNothing compares what a stranger hears about accounts and
// projects that exist with what they hear about those that do not.
func TestAnswersTellNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	answer := func(name string) string {
		r := httptest.NewRequest("GET", "https://registry.test/token", nil)
		r.SetBasicAuth(name, "wrong password")
		w := httptest.NewRecorder()
		f.ServeToken(w, r)
		return fmt.Sprint(w.Code, w.Header(), w.Body)
	}
	if known, unknown := answer("admin"), answer("nobody-at-all"); known != unknown {
		t.Errorf("a known name: %s\nan unknown one: %s", known, unknown)
	}
	denied := func(project string) string {
		_, err := f.Authorize(request("stranger", "GET", "/v2/"), pull(project+"/app"))
		if err == nil {
			return "allowed"
		}
		return strings.ReplaceAll(err.Error(), project, "PROJECT")
	}
	if exists, absent := denied(privateProject), denied("absent"); exists != absent {
		t.Errorf("a private project: %s\nnone: %s", exists, absent)
	}
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	form := func(values url.Values) *http.Request {
		r := httptest.NewRequest("POST", "https://registry.test/token", strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return r
	}
	oauth := url.Values{
		"grant_type": {"password"}, "service": {testService}, "username": {"developer"}, "password": {testPassword},
		"scope": {"repository:closed/app:pull,push"}, "client_id": {"test"},
	}
	changed := func(key, value string) url.Values {
		v := url.Values{}
		for k := range oauth {
			v.Set(k, oauth.Get(k))
		}
		v.Set(key, value)
		return v
	}
	wrong := request("developer", "GET", TokenPath)
	wrong.Header.Set("Authorization", "Basic !!!")
	for name, tc := range map[string]struct {
		r    *http.Request
		want int
	}{
		"OAuth":               {form(oauth), 200},
		"anonymous":           {request("", "GET", TokenPath), 200},
		"Basic":               {request("developer", "GET", TokenPath), 200},
		"wrong password":      {form(changed("password", "wrong password")), 401},
		"other grant":         {form(changed("grant_type", "refresh_token")), 400},
		"other service":       {form(changed("service", "someone")), 400},
		"bad scope":           {form(changed("scope", "closed/app")), 400},
		"too many scopes":     {form(changed("scope", strings.Repeat("repository:a/b:pull ", maxScopes+1))), 400},
		"too long":            {form(changed("scope", strings.Repeat("x", maxTokenForm+1))), 400},
		"not a form":          {httptest.NewRequest("POST", "/token", strings.NewReader("{}")), 400},
		"method":              {request("developer", "DELETE", TokenPath), 405},
		"broken credentials":  {wrong, 401},
		"a service, as asked": {request("", "GET", TokenPath+"?service="+testService), 200},
	} {
		w := httptest.NewRecorder()
		f.ServeToken(w, tc.r)
		if w.Code != tc.want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body, tc.want)
		}
	}
}

// TestScopesAreCut looks at what tokens list.
func TestScopesAreCut(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	for _, tc := range []struct {
		who, asked, want string
	}{
		{"", "repository:open/app:pull,push", "pull"},
		{"", "repository:closed/app:pull,push", ""},
		{"guest", "repository:closed/app:pull,push,delete", "pull"},
		{"developer", "repository:closed/app:*", "pull,push"},
		{"maintainer", "repository:closed/app:delete,pull", "delete,pull"},
		{"maintainer", "repository:absent/app:pull,push", ""},
		{"admin", "repository:absent/app:pull,push", "pull,push"},
		{"admin", "repository:redis:pull", "pull"},
		{"admin", "repository:closed/app:fly", ""},
		{"admin", "warehouse:closed/app:pull", ""},
	} {
		c, err := f.tokens.verify(t.Context(), f.token(t, tc.who, tc.asked))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range c.Access {
			got += strings.Join(a.Actions, ",")
		}
		if got != tc.want {
			t.Errorf("%q asked for %s and got %q, want %q", tc.who, tc.asked, got, tc.want)
		}
	}
	// One name of one component is the same repository under both spellings.
	token := f.token(t, "admin", "repository:redis:pull")
	for _, repo := range []string{"redis", "library/redis"} {
		if _, err := f.Authorize(bearer(token), pull(repo)); err != nil {
			t.Errorf("%s: %v", repo, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "alice": true, "alice@example.com": true, "A-b_c.d+e": true, strings.Repeat("a", 64): true,
		"": false, "-a": false, "a-": false, "a b": false, "a:b": false, "a\n": false, "ä": false, strings.Repeat("a", 65): false,
	} {
		if err := CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestChallengesSayWhatIsWrong asks with no token, one of no scope, and none of ours.
func TestChallengesSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	unscoped := bearer(f.token(t, "developer"))
	for _, tc := range []struct {
		r    *http.Request
		want string
	}{
		{request("", "GET", "/v2/"), ""},
		{request("developer", "GET", "/v2/"), ""},
		{unscoped, `error="insufficient_scope"`},
		{bearer("not a token"), `error="invalid_token"`},
	} {
		got := f.Challenge(tc.r, pull("closed/app"))
		if !strings.Contains(got, `scope="repository:closed/app:pull"`) || !strings.HasSuffix(got, tc.want) ||
			strings.Contains(got, "error=") != (tc.want != "") {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

// TestNewPasswordIsGoodAtOnce: what is remembered of an account for a moment must not keep
// out who signs in with a password that was just set; the clock stands still here.
func TestNewPasswordIsGoodAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, false)
	const changed = "battery staple"
	if _, err := f.login.Check(t.Context(), "admin", testPassword, "10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	hash, err := passhash.NewHasher(1).Hash(t.Context(), changed)
	if err == nil {
		err = f.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
			return tx.SetPassword(ctx, "admin", hash)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.login.Check(t.Context(), "admin", changed, "10.0.0.1"); err != nil {
		t.Errorf("the new password: %v", err)
	}
	if _, err := f.login.Check(t.Context(), "admin", testPassword, "10.0.0.1"); !errors.Is(err, errdefs.ErrUnauthenticated) {
		t.Errorf("the old password, once the new one was used: %v", err)
	}
}
