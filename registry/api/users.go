package api

import (
	"strconv"
	"time"

	"cove/registry/accounts"
	"cove/registry/audit"
	"cove/registry/metadata"
)

func (a *API) me(asked *ask) (any, error) {
	u, err := a.cfg.Accounts.Get(asked.Context(), asked.caller, asked.caller.Name)
	return userOf(u), err
}

func (a *API) myPassword(asked *ask) (any, error) {
	return nil, a.setPassword(asked, asked.caller.Name)
}

func (a *API) userPassword(asked *ask) (any, error) {
	return nil, a.setPassword(asked, asked.PathValue("user"))
}

func (a *API) setPassword(asked *ask, name string) error {
	var p Password
	if err := asked.read(&p); err != nil {
		return err
	}
	return a.cfg.Accounts.SetPassword(asked.Context(), asked.caller, name, p.Password)
}

func (a *API) users(asked *ask) (any, error) {
	found, more, err := a.cfg.Accounts.Page(asked.Context(), asked.caller, asked.query.Get("after"), asked.limit)
	if err != nil {
		return nil, err
	}
	var items []User
	for _, u := range found {
		items = append(items, userOf(u))
	}
	return page(asked, items, next(more, items, func(u User) string { return u.Name })), nil
}

// next is where the next page of a list begins; "" if there is none.
func next[T any](more bool, items []T, cursor func(T) string) string {
	if !more {
		return ""
	}
	return cursor(items[len(items)-1])
}

func (a *API) userCreate(asked *ask) (any, error) {
	var u NewUser
	if err := asked.read(&u); err != nil {
		return nil, err
	}
	if err := a.cfg.Accounts.Add(asked.Context(), asked.caller, u.Name, u.Password, u.Admin); err != nil {
		return nil, err
	}
	asked.w.Header().Set("Location", Base+"/users/"+u.Name)
	made, err := a.cfg.Accounts.Get(asked.Context(), asked.caller, u.Name)
	return userOf(made), err
}

func (a *API) user(asked *ask) (any, error) {
	u, err := a.cfg.Accounts.Get(asked.Context(), asked.caller, asked.PathValue("user"))
	return userOf(u), err
}

func (a *API) userChange(asked *ask) (any, error) {
	var c UserChange
	if err := asked.read(&c); err != nil {
		return nil, err
	}
	u, err := a.cfg.Accounts.Change(asked.Context(), asked.caller, asked.PathValue("user"), accounts.Change{
		Admin: c.Admin, Disabled: c.Disabled,
		If: func(now metadata.User) error { return asked.unchanged(userOf(now)) },
	})
	return userOf(u), err
}

func (a *API) userDelete(asked *ask) (any, error) {
	return nil, a.cfg.Accounts.Remove(asked.Context(), asked.caller, asked.PathValue("user"))
}

func (a *API) audit(asked *ask) (any, error) {
	q := audit.Query{
		Actor: asked.query.Get("actor"), Action: asked.query.Get("action"), Object: asked.query.Get("object"),
		N: asked.limit,
	}
	for name, to := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := asked.query.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return nil, invalid("query: %s %q is no time as 2026-01-31T12:00:00Z", name, text)
			}
			*to = t
		}
	}
	if text := asked.query.Get("after"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return nil, invalid("query: after %q is no line of the log", text)
		}
		q.Before = id
	}
	events, more, err := a.cfg.Audit.Page(asked.Context(), asked.caller, q)
	if err != nil {
		return nil, err
	}
	var items []Event
	for _, e := range events {
		items = append(items, EventOf(e))
	}
	return page(asked, items, next(more, items, func(e Event) string { return e.ID })), nil
}
