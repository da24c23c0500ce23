package door

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
)

// standings lets a test see that nothing was asked.
type standings struct{ asked int }

func (s *standings) Standing(context.Context, string, int64) (metadata.Standing, error) {
	s.asked++
	return metadata.Standing{}, nil
}

func TestPermit(t *testing.T) {
	t.Parallel()
	var st standings
	d := Door{DB: &st}
	nowhere := errors.New("what the request is about")
	object := func() (string, error) { return "", nowhere }
	visitor, user := auth.Caller{}, auth.Caller{UserID: 7, Name: "lin"}
	for what, tt := range map[string]struct {
		by    auth.Caller
		right auth.Right
		want  error
	}{
		"everybody, by a visitor":  {visitor, auth.Open, nil},
		"signed in, by a visitor":  {visitor, auth.SignIn, errdefs.ErrUnauthenticated},
		"signed in, by a user":     {user, auth.SignIn, nil},
		"a right over what is bad": {user, auth.ManageUsers, nowhere},
	} {
		if err := d.Permit(t.Context(), tt.by, tt.right, object); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", what, err, tt.want)
		}
	}
	if st.asked != 0 {
		t.Errorf("the database was asked %d times", st.asked)
	}
	registry := func() (string, error) { return "", nil }
	for by, want := range map[*auth.Caller]error{
		&visitor: errdefs.ErrUnauthenticated, &user: errdefs.ErrDenied, {Name: "root", Admin: true}: nil,
	} {
		if err := d.Permit(t.Context(), *by, auth.ManageUsers, registry); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", by.Name, err, want)
		}
	}
}

func TestCaller(t *testing.T) {
	t.Parallel()
	who := auth.Caller{Name: "lin"}
	p := Programs{
		Identify: func(*http.Request) (auth.Caller, error) { return who, nil }, Origins: http.NewCrossOriginProtection(),
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/projects", nil)
	if by, err := p.Caller(r); err != nil || by.Name != "lin" {
		t.Errorf("a program: %v, %v", by, err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if _, err := p.Caller(r); !errors.Is(err, errdefs.ErrDenied) {
		t.Errorf("a page of another site: %v", err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if _, err := p.Caller(r); err != nil {
		t.Errorf("a page of this one: %v", err)
	}
}

func TestIsText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"": true, "team/app": true, "数据": true, "a\x00b": false, "\xff": false} {
		if IsText("fine", text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

// TestHoldsTexts: an escape of a byte 0 is one wherever it is, and no other text looks like one.
func TestHoldsTexts(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]bool{
		`{"a":"plain"}`: true, `{"a":"größe"}`: true, `{"a":"\u0001\u000a"}`: true, `{"a":"\\u0000"}`: true, `{"a":"\\\\u0000"}`: true,
		`{"a":"\u0000"}`: false, `{"a":"x\u0000"}`: false, `{"\u0000":1}`: false, `{"a":"\\\u0000"}`: false, "{\"a\":\"\xff\"}": false,
		`{"a":"\\u0000 \u0000"}`: false, ``: true,
	} {
		if got := HoldsTexts([]byte(document)); got != want {
			t.Errorf("%s: %v", document, got)
		}
	}
}
