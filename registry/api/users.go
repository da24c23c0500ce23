package api

import (
	"strconv"
	"time"

	"cove/registry/accounts"
	"cove/registry/api/rest"
	"cove/registry/audit"
	"cove/registry/metadata"
)

func (a *API) me(asked *rest.Ask) (any, error) {
	u, err := a.cfg.Accounts.Get(asked.Context(), asked.Caller, asked.Caller.Name)
	return userOf(u), err
}

func (a *API) myPassword(asked *rest.Ask) (any, error) {
	return nil, a.setPassword(asked, asked.Caller.Name)
}

func (a *API) userPassword(asked *rest.Ask) (any, error) {
	return nil, a.setPassword(asked, asked.PathValue("user"))
}

func (a *API) setPassword(asked *rest.Ask, name string) error {
	var p Password
	if err := asked.Read(&p); err != nil {
		return err
	}
	return a.cfg.Accounts.SetPassword(asked.Context(), asked.Caller, name, p.Password)
}

func (a *API) users(asked *rest.Ask) (any, error) {
	found, more, err := a.cfg.Accounts.Page(asked.Context(), asked.Caller, asked.Query.Get("after"), asked.Limit)
	if err != nil {
		return nil, err
	}
	var items []User
	for _, u := range found {
		items = append(items, userOf(u))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(u User) string { return u.Name })), nil
}

func (a *API) userCreate(asked *rest.Ask) (any, error) {
	var u NewUser
	if err := asked.Read(&u); err != nil {
		return nil, err
	}
	if err := a.cfg.Accounts.Add(asked.Context(), asked.Caller, u.Name, u.Password, u.Admin); err != nil {
		return nil, err
	}
	asked.W.Header().Set("Location", rest.Base+"/users/"+u.Name)
	made, err := a.cfg.Accounts.Get(asked.Context(), asked.Caller, u.Name)
	return userOf(made), err
}

func (a *API) user(asked *rest.Ask) (any, error) {
	u, err := a.cfg.Accounts.Get(asked.Context(), asked.Caller, asked.PathValue("user"))
	return userOf(u), err
}

func (a *API) userChange(asked *rest.Ask) (any, error) {
	var c UserChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	u, err := a.cfg.Accounts.Change(asked.Context(), asked.Caller, asked.PathValue("user"), accounts.Change{
		Admin: c.Admin, Disabled: c.Disabled,
		If: func(now metadata.User) error { return asked.Unchanged(userOf(now)) },
	})
	return userOf(u), err
}

func (a *API) userDelete(asked *rest.Ask) (any, error) {
	return nil, a.cfg.Accounts.Remove(asked.Context(), asked.Caller, asked.PathValue("user"))
}

func (a *API) audit(asked *rest.Ask) (any, error) {
	q := audit.Query{
		Actor: asked.Query.Get("actor"), Action: asked.Query.Get("action"), Object: asked.Query.Get("object"),
		N: asked.Limit,
	}
	for name, to := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if text := asked.Query.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return nil, rest.Invalid("query: %s %q is no time as 2026-01-31T12:00:00Z", name, text)
			}
			*to = t
		}
	}
	if text := asked.Query.Get("after"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return nil, rest.Invalid("query: after %q is no line of the log", text)
		}
		q.Before = id
	}
	events, more, err := a.cfg.Audit.Page(asked.Context(), asked.Caller, q)
	if err != nil {
		return nil, err
	}
	var items []Event
	for _, e := range events {
		items = append(items, EventOf(e))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(e Event) string { return e.ID })), nil
}

func (a *API) forwards(asked *rest.Ask) (any, error) {
	all, err := a.cfg.Audit.Forwards(asked.Context(), asked.Caller)
	if err != nil {
		return nil, err
	}
	items := make([]Forward, len(all))
	for i, f := range all {
		items[i] = ForwardOf(f)
	}
	return Forwards{items}, nil
}
