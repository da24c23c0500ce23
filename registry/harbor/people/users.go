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

func (o operations) current(asked *edge.Ask) (any, error) {
	u, err := o.Accounts.Get(asked.Context(), asked.Caller, asked.Caller.Name)
	return userOf(u), err
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
	var u shape.NewUser
	if err := asked.Read(&u); err != nil {
		return nil, err
	}
	if err := o.Accounts.Add(asked.Context(), asked.Caller, u.Name, u.Password, false); err != nil {
		return nil, err
	}
	made, err := o.Accounts.Get(asked.Context(), asked.Caller, u.Name)
	if err != nil {
		return nil, err
	}
	asked.Created("/users/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
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
	u, err := o.Accounts.Get(asked.Context(), asked.Caller, name)
	return userOf(u), err
}

func (o operations) userDelete(asked *edge.Ask) (any, error) {
	name, err := o.userNamed(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Accounts.Remove(asked.Context(), asked.Caller, name)
}

func (o operations) userAdmin(asked *edge.Ask) (any, error) {
	var s shape.SysAdmin
	if err := asked.Read(&s); err != nil {
		return nil, err
	}
	name, err := o.userNamed(asked)
	if err != nil {
		return nil, err
	}
	_, err = o.Accounts.Change(asked.Context(), asked.Caller, name, accounts.Change{Admin: &s.Flag})
	return nil, err
}

// userPassword changes the password of the one who asks, or, for an administrator, of
// another. Who changes his own has proved the old one by signing in with it.
func (o operations) userPassword(asked *edge.Ask) (any, error) {
	var p shape.Password
	if err := asked.Read(&p); err != nil {
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
