package accounts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/passhash"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

func open(t *testing.T) (*Accounts, *metadata.DB, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { _ = root.Close() })
	db := metadatatest.OpenSQLite(t, nil)
	return New(root, db, passhash.NewHasher(1), auth.Judge{EveryoneCreates: true}), db, dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const password = "correct horse"

func caller(t *testing.T, db *metadata.DB, name string) auth.Caller {
	t.Helper()
	u, err := db.UserByName(t.Context(), name)
	must(t, err)
	return auth.Caller{UserID: u.ID, Name: u.Name, Admin: u.Admin}
}

// TestWhoMay: accounts are the system administrators' business, but for one's
// own password; the audit log names who did it.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	a, db, _ := open(t)
	ctx, op := t.Context(), auth.Operator()
	for name, admin := range map[string]bool{"ann": false, "bob": false, "root": true} {
		must(t, a.Add(ctx, op, name, password, admin))
	}
	for name, tc := range map[string]struct {
		do  func(by auth.Caller) error
		ann bool // she may
	}{
		"add":              {do: func(by auth.Caller) error { return a.Add(ctx, by, "new-"+strings.Trim(by.Name, "()"), password, false) }},
		"add an admin":     {do: func(by auth.Caller) error { return a.Add(ctx, by, "king-"+strings.Trim(by.Name, "()"), password, true) }},
		"another's":        {do: func(by auth.Caller) error { return a.SetPassword(ctx, by, "bob", password) }},
		"her own":          {do: func(by auth.Caller) error { return a.SetPassword(ctx, by, "ann", password) }, ann: true},
		"list":             {do: func(by auth.Caller) error { return a.List(ctx, by, func(metadata.User) error { return nil }) }},
		"remove":           {do: func(by auth.Caller) error { return ignoreNotFound(a.Remove(ctx, by, "nobody")) }},
		"reset":            {do: func(by auth.Caller) error { _, err := a.ResetAdmin(ctx, by); return err }},
		"read the audit":   {do: func(by auth.Caller) error { _, err := audit.New(db, a.judge).Newest(ctx, by, 1); return err }},
		"remove herself":   {do: func(by auth.Caller) error { return ignoreNotFound(a.Remove(ctx, by, by.Name)) }},
		"an impostor's":    {do: func(by auth.Caller) error { return a.SetPassword(ctx, auth.Caller{Name: "ann"}, "ann", password) }},
		"nobody's account": {do: func(auth.Caller) error { return a.SetPassword(ctx, auth.Caller{}, "", password) }},
	} {
		if name == "remove herself" || name == "an impostor's" || name == "nobody's account" {
			if err := tc.do(caller(t, db, "ann")); !errors.Is(err, errdefs.ErrDenied) && !errors.Is(err, errdefs.ErrUnauthenticated) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err := tc.do(auth.Caller{}); !errors.Is(err, errdefs.ErrUnauthenticated) {
			t.Errorf("%s by nobody: %v", name, err)
		}
		if err := tc.do(caller(t, db, "ann")); tc.ann != (err == nil) || !tc.ann && !errors.Is(err, errdefs.ErrDenied) {
			t.Errorf("%s by an account: %v", name, err)
		}
		for _, by := range []auth.Caller{op, caller(t, db, "root")} {
			if err := tc.do(by); err != nil {
				t.Errorf("%s by %s: %v", name, by.Name, err)
			}
		}
	}
	must(t, a.SetPassword(ctx, caller(t, db, "ann"), "ann", password))
	events, err := audit.New(db, a.judge).Newest(ctx, op, 1)
	if err != nil || events[0].Actor != "ann" || events[0].Action != "user.password" || events[0].Object != "ann" {
		t.Errorf("logged %+v, %v", events, err)
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// TestFirstAdmin: the password of a first start is in a file until it is changed.
func TestFirstAdmin(t *testing.T) {
	t.Parallel()
	a, db, dir := open(t)
	ctx, op := t.Context(), auth.Operator()
	made, err := a.FirstAdmin(ctx, "")
	must(t, err)
	file := filepath.Join(dir, AdminPasswordFile)
	if b, err := os.ReadFile(file); err != nil || string(b) != made+"\n" || made == "" {
		t.Errorf("the file holds %q, %v; made %q", b, err, made)
	}
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi, err)
	}
	if again, err := a.FirstAdmin(ctx, ""); again != "" || err != nil {
		t.Errorf("a second start made %q, %v", again, err)
	}
	must(t, a.SetPassword(ctx, op, AdminUser, password))
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after a change the first password is still there: %v", err)
	}
	reset, err := a.ResetAdmin(ctx, op)
	must(t, err)
	if b, err := os.ReadFile(file); err != nil || string(b) != reset+"\n" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	var names []string
	must(t, a.List(ctx, op, func(u metadata.User) error { names = append(names, u.Name); return nil }))
	if len(names) != 1 || names[0] != AdminUser || !caller(t, db, AdminUser).Admin {
		t.Errorf("accounts %q", names)
	}
}

// TestListStops with the error of the visit.
func TestListStops(t *testing.T) {
	t.Parallel()
	a, db, _ := open(t)
	must(t, db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error {
		return errors.Join(tx.AddUser(ctx, "ann", "x", false), tx.AddUser(ctx, "bob", "x", false))
	}))
	stop := errors.New("stop")
	seen := 0
	err := a.List(t.Context(), auth.Operator(), func(metadata.User) error { seen++; return stop })
	if !errors.Is(err, stop) || seen != 1 {
		t.Errorf("%d seen, %v", seen, err)
	}
}
