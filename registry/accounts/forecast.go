package accounts

import (
	"context"
	"errors"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/identity"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

// Forecast is what a sign-in of somebody would lead to, for whom a source vouches.
type Forecast struct {
	// User is his account, which the sign-in makes if it is not Known.
	User  metadata.User
	Known bool
	// Refused is why he would not come in; nil if he would.
	Refused error
	// Own is what the account has by itself, and Groups what it would have by groups.
	Own    []people.ProjectRole
	Groups []GroupForecast
}

// GroupForecast is a group that the source names, with what its users have.
type GroupForecast struct {
	Name  string
	Known bool // there is such a group here
	Roles []people.ProjectRole
}

// mostForecast bounds the groups that are looked up.
const mostForecast = 200

// Forecast says what a sign-in would lead to, and changes nothing. It is for who manages
// users.
func (a *Accounts) Forecast(ctx context.Context, by auth.Caller, p identity.Person) (f Forecast, err error) {
	if err := a.judge.Permit(ctx, a.db, by, auth.ManageUsers, ""); err != nil {
		return f, err
	}
	f.User, err = a.db.UserOfSubject(ctx, p.Source, p.Subject)
	switch {
	case err == nil:
		f.Known = true
		if f.Own, err = a.db.ProjectRoles(ctx, f.User.ID, 0); err != nil {
			return f, err
		}
	case !errors.Is(err, errdefs.ErrNotFound):
		return f, err
	default:
		f.User = metadata.User{Name: p.Name, Source: p.Source}
	}
	if p.Admin != nil {
		f.User.Admin = *p.Admin
	}
	if f.Refused, err = a.refusal(ctx, f); err != nil {
		return f, err
	}
	for _, name := range p.Groups[:min(len(p.Groups), mostForecast)] {
		g, err := a.forecastOf(ctx, name)
		if err != nil {
			return f, err
		}
		f.Groups = append(f.Groups, g)
	}
	return f, nil
}

// refusal is why somebody would not come in whom the source vouches for.
func (a *Accounts) refusal(ctx context.Context, f Forecast) (refused, failed error) {
	if f.Known {
		if f.User.Disabled {
			return errdefs.Errorf(errdefs.ErrDenied, "user %q is disabled", f.User.Name), nil
		}
		return nil, nil
	}
	if err := auth.CheckName(f.User.Name); err != nil {
		return err, nil
	}
	_, err := a.db.UserByName(ctx, f.User.Name)
	switch {
	case errors.Is(err, errdefs.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return errdefs.Errorf(errdefs.ErrDenied, "%q is another's account here", f.User.Name), nil
}

func (a *Accounts) forecastOf(ctx context.Context, name string) (f GroupForecast, err error) {
	f.Name = name
	g, err := a.db.Group(ctx, name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.Known = true
	f.Roles, err = a.db.ProjectRoles(ctx, 0, g.ID)
	return f, err
}
