// Package identity is what others say of somebody who signs in: a provider of
// OpenID Connect (identity/oidc) or a directory (identity/ldap). Who may come in
// at all, and who of them is an administrator, are rules over the groups that
// they say; what each may do here is decided by memberships alone.
package identity

import (
	"slices"

	"cove/errdefs"
)

// The sources of accounts beside this registry's own.
const (
	OIDC = "oidc"
	LDAP = "ldap"
)

// Person is somebody for whom a source vouches.
type Person struct {
	Source string
	// Subject never changes and is never given to another; Name is how people call
	// the account, and may change.
	Subject, Name string
	Groups        []string
	// Admin is what the rules say; nil leaves it to this registry.
	Admin *bool
}

// Rules say what groups mean at the door.
type Rules struct {
	// Allowed are the groups of which one is needed to come in; none: everybody is
	// let in.
	Allowed []string `yaml:"allowed_groups"`
	// Admins is the group whose members are administrators, and nobody else of this
	// source; "" leaves that to this registry.
	Admins string `yaml:"admin_group"`
}

// Apply lets a person in, or not: that is errdefs.ErrDenied.
func (r Rules) Apply(p Person) (Person, error) {
	allowed := func(group string) bool { return slices.Contains(r.Allowed, group) }
	if len(r.Allowed) > 0 && !slices.ContainsFunc(p.Groups, allowed) {
		return Person{}, errdefs.Errorf(errdefs.ErrDenied, "%s is in none of the groups that may sign in", p.Name)
	}
	if r.Admins != "" {
		admin := slices.Contains(p.Groups, r.Admins)
		p.Admin = &admin
	}
	return p, nil
}
