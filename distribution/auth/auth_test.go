package auth_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"cove/distribution"
	"cove/distribution/auth"
	"cove/errdefs"
)

func TestScopes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]auth.Scope{
		"repository:team/app:pull,push":    {Type: "repository", Name: "team/app", Actions: []string{"pull", "push"}},
		"repository:h:5000/app:pull":       {Type: "repository", Name: "h:5000/app", Actions: []string{"pull"}},
		"repository(plugin):team/app:pull": {Type: "repository", Name: "team/app", Actions: []string{"pull"}},
		"registry:catalog:*":               {Type: "registry", Name: "catalog", Actions: []string{"*"}},
		"repository:a:":                    {Type: "repository", Name: "a"},
		"repository:a:pull,,pull,push,":    {Type: "repository", Name: "a", Actions: []string{"pull", "push"}},
	} {
		got, err := auth.ParseScope(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v; want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "a", "a:b", ":a:b", "a::b", "a:b c:d", "repository:a\n:pull", `repository:"a":pull`} {
		if got, err := auth.ParseScope(in); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%q = %+v, %v", in, got, err)
		}
	}
	got, err := auth.ParseScopes("repository:a:pull  repository:b:push", "", "registry:catalog:*")
	if err != nil || len(got) != 3 || got[1].String() != "repository:b:push" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestScopeOf(t *testing.T) {
	t.Parallel()
	pull := []distribution.Action{distribution.Pull}
	for _, tc := range []struct {
		in   distribution.Access
		want string
	}{
		{distribution.Access{}, ""},
		{distribution.Access{Actions: pull}, "registry:catalog:*"},
		{distribution.Access{Repository: "a/b", Actions: append(pull, distribution.Push)}, "repository:a/b:pull,push"},
	} {
		s, ok := auth.ScopeOf(tc.in)
		if ok != (tc.want != "") || ok && s.String() != tc.want {
			t.Errorf("%+v = %q, %v; want %q", tc.in, s, ok, tc.want)
		}
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	type p = auth.Param
	for in, want := range map[string][]auth.Challenge{
		`Bearer realm="https://h/token",service="h",scope="repository:a:pull,push"`: {
			{Scheme: "Bearer", Params: []p{{"realm", "https://h/token"}, {"service", "h"}, {"scope", "repository:a:pull,push"}}},
		},
		`Basic realm="a \"b\" c"`:                       {{Scheme: "Basic", Params: []p{{"realm", `a "b" c`}}}},
		`Negotiate, Basic realm=x , Bearer realm = "y"`: {{Scheme: "Negotiate"}, {Scheme: "Basic", Params: []p{{"realm", "x"}}}, {Scheme: "Bearer", Params: []p{{"realm", "y"}}}},
		`bearer realm=https://h/token,service=h`:        {{Scheme: "bearer", Params: []p{{"realm", "https://h/token"}, {"service", "h"}}}},
		`Basic`:                                         {{Scheme: "Basic"}},
		`Basic realm="unterminated`:                     {{Scheme: "Basic"}},
		``:                                              nil,
		`,,  ,`:                                         nil,
		`="x"`:                                          nil,
	} {
		if got := auth.ParseChallenges([]string{in}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", in, got, want)
		}
	}
	if got := auth.ParseChallenges([]string{"Basic realm=a", "Bearer realm=b"}); len(got) != 2 || got[1].Params[0] != (p{"realm", "b"}) {
		t.Errorf("two headers: %+v", got)
	}
}

func TestBearerChallenge(t *testing.T) {
	t.Parallel()
	got := auth.BearerChallenge("https://h/token", "h", distribution.Access{},
		distribution.Access{Repository: "a", Actions: []distribution.Action{distribution.Pull}},
		distribution.Access{Repository: "b", Actions: []distribution.Action{distribution.Pull, distribution.Push}})
	want := `Bearer realm="https://h/token",service="h",scope="repository:a:pull repository:b:pull,push"`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if c := (auth.Challenge{Scheme: "Basic", Params: []auth.Param{{Name: "realm", Value: "a\r\nSet-Cookie: x\"\\"}}}).String(); strings.ContainsAny(c, "\r\n") {
		t.Errorf("%q ends its header", c)
	}
}

// FuzzChallenges: what is read and written again is read the same.
func FuzzChallenges(f *testing.F) {
	f.Add(`Bearer realm="https://h/token",service="h"`)
	f.Add(`Negotiate, Basic realm=x, Digest a="b\"c", d=e`)
	f.Fuzz(func(t *testing.T, in string) {
		var out []string
		first := auth.ParseChallenges([]string{in})
		for _, c := range first {
			if c.Scheme == "" {
				t.Fatalf("%q: a challenge without scheme", in)
			}
			out = append(out, c.String())
		}
		second := auth.ParseChallenges(out)
		if len(second) != len(first) {
			t.Fatalf("%q: %+v, written and read %+v", in, first, second)
		}
		for i := range second {
			if second[i].Scheme != first[i].Scheme || len(second[i].Params) != len(first[i].Params) {
				t.Fatalf("%q: %+v, written and read %+v", in, first[i], second[i])
			}
		}
	})
}

func FuzzScope(f *testing.F) {
	f.Add("repository:team/app:pull,push")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := auth.ParseScope(in)
		if err != nil {
			return
		}
		if again, err := auth.ParseScope(s.String()); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q: %+v, then %+v, %v", in, s, again, err)
		}
	})
}
