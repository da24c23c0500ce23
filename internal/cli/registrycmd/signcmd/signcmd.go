// Package signcmd is the registry's commands on signatures: what signs an artifact, and
// whose signatures count in a project.
package signcmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cove/distribution/signature"
	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/signatures"
)

// New is the command "sign" with those below it.
func New() *cobra.Command {
	return command.Group("sign", "Show what signs images, and let only signed ones be pulled",
		newList(), newPolicy(), newKey())
}

// path is that of a project's signing, or of what is below it.
func path(project string, below ...string) string {
	return command.Path(append([]string{"projects", project, "signing"}, below...)...)
}

func newList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list NAME…", Aliases: []string{"ls"}, Short: "List the signatures of images",
		Long: `List the signatures of images: those of cosign, beside a tag, as referrers and as
bundles, and those of notation. A signature counts when a key that the project trusts
("registry sign key") made it, and made it of this image; else the last column says why
it does not. The last line says what follows for who pulls. An index that is signed
speaks for the images in it.`,
		Example: `  registry sign list team/app:v1
  registry sign list team/app@sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a`,
		Args: command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				var items []command.Item
				var lines []string
				for _, name := range names {
					var found signatures.Signatures
					if err := r.Get(command.Path("signatures", name), &found); err != nil {
						return err
					}
					items, lines = append(items, itemsOf(name, found)...), append(lines, name+": "+verdict(found))
				}
				if err := list.Print(cmd, "NAME FORM SIGNER COUNTS KEY WHY-NOT", items); err != nil || !list.Table() {
					return err
				}
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), strings.Join(lines, "\n"))
				return err
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

// itemsOf are the signatures of an artifact.
func itemsOf(name string, found signatures.Signatures) []command.Item {
	return command.Items(found.Signatures, func(s signatures.Signature) command.Item {
		return command.Item{Row: []string{
			name, signatures.ForPeople(signature.Form(s.Form)), signer(s), command.Yes(s.Counts), dash(s.Key),
			dash(command.OneLine(s.Detail)),
		}, Object: s}
	})
}

func signer(s signatures.Signature) string {
	if s.Subject != "" {
		return s.Subject
	}
	return dash(s.KeyID)
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// verdict is what the signatures mean for who pulls.
func verdict(s signatures.Signatures) string {
	switch {
	case s.Counts && s.Through != "":
		return fmt.Sprintf("is signed by key %s, through index %s", s.Key, s.Through)
	case s.Counts:
		return "is signed by key " + s.Key
	case s.Required:
		return s.Detail + "; it is not pulled, for its project lets only signed images be"
	}
	return s.Detail
}

func newPolicy() *cobra.Command {
	return command.Group("policy", "Let only signed images be pulled from projects", newPolicyShow(), newPolicySet())
}

func newPolicyShow() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "show PROJECT…", Short: "Show whether only signed images are pulled from projects",
		Example: `  registry sign policy show team`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				var items []command.Item
				for _, name := range names {
					var p signatures.SigningPolicy
					if err := r.Get(path(name), &p); err != nil {
						return err
					}
					keys := make([]string, len(p.Keys))
					for i, k := range p.Keys {
						keys[i] = k.Name
					}
					items = append(items, command.Item{
						Row:    []string{name, command.Yes(p.Required), dash(strings.Join(keys, ","))},
						Object: p,
					})
				}
				return list.Print(cmd, "PROJECT SIGNED-ONLY KEYS", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func newPolicySet() *cobra.Command {
	var t command.Registry
	var required bool
	cmd := &cobra.Command{
		Use: "set PROJECT", Short: "Let only signed images be pulled from a project, or all",
		Long: `Let only images be pulled that one of the project's keys has signed ("registry sign
key add"), or all. Pushes, signatures and what else is said of images stay possible.
Who pulls what is not signed is told why, and by whose key it would have to be.`,
		Example: `  registry sign policy set team --required
  registry sign policy set team --required=false`,
		Args: command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if !cmd.Flags().Changed("required") {
				return command.Misused(cmd, errors.New("say --required, or --required=false"))
			}
			return t.Do(cmd, func(r command.API) error {
				return r.Put(path(a[0]), signatures.SigningChange{Required: required})
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().BoolVar(&required, "required", false, "only signed images are pulled")
	return cmd
}

func newKey() *cobra.Command {
	return command.Group("key", "Say whose signatures count in projects", newKeyList(), newKeyAdd(), newKeyRemove())
}

func newKeyList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the keys whose signatures count in a project",
		Example: `  registry sign key list team`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var p signatures.SigningPolicy
				if err := r.Get(path(a[0]), &p); err != nil {
					return err
				}
				return list.Print(cmd, "NAME KIND ALGORITHM ID BY ADDED UNTIL", command.Items(p.Keys, keyItem))
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func keyItem(k signatures.SigningKey) command.Item {
	return command.Item{
		Row:    []string{k.Name, k.Kind, k.Algorithm, k.ID, k.By, command.Stamp(k.At), command.When(k.Until)},
		Object: k,
	}
}

func newKeyAdd() *cobra.Command {
	var t command.Registry
	var name string
	cmd := &cobra.Command{
		Use: "add PROJECT FILE", Short: "Trust a public key or a certificate in a project",
		Long: `Trust a public key in a project (ECDSA, RSA or Ed25519, as cosign.pub), whose
signatures by cosign count then, or a certificate, which is in the chain of notation's
signatures: that of the signer, or of the authority. FILE is PEM, "-" is standard
input. The key's name is the file's, unless --name says another.`,
		Example: `  registry sign key add team cosign.pub --name release
  registry sign key add team ca.crt
  cosign public-key --key awskms:///alias/release | registry sign key add team - --name release`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if name == "" {
				if name = nameOf(a[1]); name == "" {
					return command.Misused(cmd, errors.New("what comes from standard input has no name: say --name"))
				}
			}
			text, err := read(cmd, a[1])
			if err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error {
				var k signatures.SigningKey
				body := signatures.NewSigningKey{Name: name, PEM: string(text)}
				if err := r.Post(path(a[0], "keys"), body, &k); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), k.ID)
				return err
			})
		},
	}
	t.Flags(cmd)
	cmd.Flags().StringVar(&name, "name", "", "what the key is called in the project")
	return cmd
}

// nameOf is what a key of a file is called; "" of standard input.
func nameOf(file string) string {
	if file == "-" {
		return ""
	}
	base := filepath.Base(file)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

func read(cmd *cobra.Command, file string) ([]byte, error) {
	from := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, errdefs.Errorf(errdefs.ErrInvalid, "key: %w", err)
		}
		defer f.Close()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, signature.MaxKey+1))
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "key: %w", err)
	}
	return text, nil
}

func newKeyRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm PROJECT NAME…", Aliases: []string{"remove"}, Short: "Trust keys no longer",
		Long: `Trust keys no longer: what they signed counts no more, on every server, from the next
pull on. Without a key nothing is pulled from a project that lets only signed images be.`,
		Example: `  registry sign key rm team release`,
		Args:    command.Args(cobra.MinimumNArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(a[1:], func(name string) error {
					return r.Delete(path(a[0], "keys", name))
				})
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
