package people

import (
	"strconv"

	"cove/errdefs"
	"cove/registry/accounts"
	"cove/registry/auth"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/metadata"
	"cove/registry/metadata/people"
)

func userOf(u metadata.User) shape.User {
	return shape.User{
		ID: u.ID, Name: u.Name, Admin: u.Admin, Created: u.CreatedAt.UTC(), Updated: u.CreatedAt.UTC(),
	}
}

// shownUser is a user with the details that are kept.
func (o operations) shownUser(asked *edge.Ask, name string) (any, error) {
	u, err := o.Accounts.Get(asked.Context(), asked.Caller, name)
	if err != nil {
		return nil, err
	}
	d, err := o.Accounts.Details(asked.Context(), asked.Caller, name)
	shown := userOf(u)
	shown.Email, shown.Realname, shown.Comment = d.Email, d.Realname, d.Comment
	return shown, err
}

func (o operations) current(asked *edge.Ask) (any, error) {
	return o.shownUser(asked, asked.Caller.Name)
}

func (o operations) users(asked *edge.Ask) (any, error) {
	list, total, err := o.Lists.Users(asked.Context(), "", asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.User{}
	for _, u := range list {
		items = append(items, shape.User{
			ID: u.ID, Name: u.Name, Admin: u.Admin, Created: u.CreatedAt, Updated: u.CreatedAt,
			Email: u.Email, Realname: u.Realname, Comment: u.Comment,
		})
	}
	return items, nil
}

func unlessNotFound(err error) error {
	if errdefs.KindOf(err) == errdefs.ErrNotFound { //nolint:errorlint // a kind is a value
		return nil
	}
	return err
}

func (o operations) userCreate(asked *edge.Ask) (any, error) {
	r, err := userRequest(asked)
	if err != nil {
		return nil, err
	}
	admin := r.Flag != nil && *r.Flag
	if err := o.Accounts.Add(asked.Context(), asked.Caller, r.Name, r.Password, admin); err != nil {
		return nil, err
	}
	made, err := o.Accounts.Get(asked.Context(), asked.Caller, r.Name)
	if err == nil {
		err = o.describe(asked, r.Name, r)
	}
	if err != nil {
		return nil, err
	}
	asked.Created("/users/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

// userRequest reads what is said of a user.
func userRequest(asked *edge.Ask) (r shape.UserRequest, err error) {
	if err := asked.Read(&r); err != nil {
		return r, err
	}
	if r.Secret != "" {
		return r, edge.Unsupported("the secret of a user: access tokens are made by PUT /api/v1/me/tokens, and on the pages")
	}
	return r, nil
}

// describe keeps the details that a request has; those it has not stay.
func (o operations) describe(asked *edge.Ask, name string, r shape.UserRequest) error {
	d, err := o.Accounts.Details(asked.Context(), asked.Caller, name)
	if err != nil {
		return err
	}
	for to, text := range map[*string]*string{&d.Email: r.Email, &d.Realname: r.Realname, &d.Comment: r.Comment} {
		if text != nil {
			*to = *text
		}
	}
	return o.Accounts.Describe(asked.Context(), asked.Caller, name, d)
}

// userChange changes the details of a user; what else the body has, has paths of its own.
func (o operations) userChange(asked *edge.Ask) (any, error) {
	r, err := userRequest(asked)
	if err != nil {
		return nil, err
	}
	name, err := o.userNamed(asked)
	if err != nil {
		return nil, err
	}
	if r.Name != "" && r.Name != name {
		return nil, edge.Unsupported("another username: a user keeps it")
	}
	return nil, o.describe(asked, name, r)
}

// userNamed is the name of the account that the path gives the number of.
func (o operations) userNamed(asked *edge.Ask) (string, error) {
	id, err := edge.Number("user", asked.PathValue("user"))
	if err != nil {
		return "", err
	}
	return o.Lists.AccountByID(asked.Context(), people.KindUser, id)
}

func (o operations) user(asked *edge.Ask) (any, error) {
	name, err := o.userNamed(asked)
	if err != nil {
		return nil, err
	}
	return o.shownUser(asked, name)
}

func (o operations) userDelete(asked *edge.Ask) (any, error) {
	name, err := o.userNamed(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Accounts.Remove(asked.Context(), asked.Caller, name)
}

func (o operations) userAdmin(asked *edge.Ask) (any, error) {
	r, err := userRequest(asked)
	if err != nil {
		return nil, err
	}
	admin := r.Flag != nil && *r.Flag
	name, err := o.userNamed(asked)
	if err != nil {
		return nil, err
	}
	_, err = o.Accounts.Change(asked.Context(), asked.Caller, name, accounts.Change{Admin: &admin})
	return nil, err
}

// userPassword changes the password of the one who asks, or, for an administrator, of
// another. Who changes his own has proved the old one by signing in with it.
func (o operations) userPassword(asked *edge.Ask) (any, error) {
	p, err := userRequest(asked)
	if err != nil {
		return nil, err
	}
	name, err := o.userNamed(asked)
	if unlessNotFound(err) != nil {
		return nil, err
	}
	_, proved, _ := asked.BasicAuth()
	if name == asked.Caller.Name && p.Old != "" && p.Old != proved {
		return nil, errdefs.Errorf(errdefs.ErrDenied, "the old password is not the one that you signed in with")
	}
	if name != asked.Caller.Name {
		// Whether there is such an account is for those to know who manage them.
		if err := o.Judge.Permit(asked.Context(), o.DB, asked.Caller, auth.ManageUsers, ""); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	return nil, o.Accounts.SetPassword(asked.Context(), asked.Caller, name, p.New)
}
