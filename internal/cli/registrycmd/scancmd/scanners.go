package scancmd

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"cove/errdefs"
	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/scans"
)

func newScanners() *cobra.Command {
	cmd := command.Group("scanner", "Scanners of others, beside the registry's own",
		newScannerAdd(), newScannerSet(), newScannerList(), newScannerTest(), newScannerRemove())
	cmd.Long = `A scanner of others is a server that speaks version 1 of Harbor's API for pluggable
scanners. It is told which image to scan, pulls it from the registry by an account that
ends with the scan, and reports what it found. The scanner "built-in" is the registry's
own; a project chooses by "registry scan gate set --scanner". What a scanner signs in by
is kept sealed; the key is keys/secrets.key in the root.`
	return cmd
}

// scanner are the flags of one.
type scanner struct {
	spec       scans.NewScanner
	ca         string
	credential bool
	again      int
}

func (s *scanner) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.spec.Auth, "auth", "", "how it is signed in to: basic, bearer or api-key (default none)")
	flags.BoolVar(&s.credential, "credential-stdin", false,
		"read USER:PASSWORD, the token or the key from standard input")
	flags.StringVar(&s.ca, "ca", "", "file with certificates to trust beside the system's, in PEM form")
	flags.BoolVar(&s.spec.Insecure, "insecure", false, "take a certificate that nobody vouches for")
	flags.StringVar(&s.spec.Registry, "registry", "",
		"https://HOST[:PORT] by which it reaches this registry (default the one that clients use)")
	flags.BoolVar(&s.spec.Default, "default", false, "have it scan for all projects that choose none")
	flags.IntVar(&s.again, "again", 1, "scan an image again after this many days; 0 is never")
}

// read completes the spec by what files and standard input have.
func (s *scanner) read(cmd *cobra.Command, name, address string) error {
	s.spec.Name, s.spec.URL, s.spec.AgainDays = name, address, &s.again
	if s.ca != "" {
		pem, err := os.ReadFile(s.ca)
		if err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
		s.spec.Authorities = string(pem)
	}
	if !s.credential {
		return nil
	}
	if s.spec.Auth == "" {
		return command.Misused(cmd, errors.New("--credential-stdin: say by --auth what the credential is"))
	}
	secret, err := command.Secret(cmd.InOrStdin())
	s.spec.Credential = &secret
	return err
}

func newScannerAdd() *cobra.Command {
	var t command.Registry
	var s scanner
	cmd := &cobra.Command{
		Use: "add NAME URL", Aliases: []string{"create"}, Short: "Add a scanner",
		Example: `  registry scan scanner add trivy http://trivy-adapter.example.com:8080 --default
  printf %s "$KEY" | registry scan scanner add corp https://scan.example.com --auth api-key --credential-stdin`,
		Args: command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := s.read(cmd, a[0], a[1]); err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error { return r.Post("/security/scanners", s.spec, nil) })
		},
	}
	t.Flags(cmd)
	s.flags(cmd)
	return cmd
}

func newScannerSet() *cobra.Command {
	var t command.Registry
	var s scanner
	cmd := &cobra.Command{
		Use: "set NAME URL", Short: "Change a scanner",
		Long: `Change a scanner: its address and all flags are given anew. Its credential stays what
it was, unless its address or --auth change.`,
		Example: `  registry scan scanner set trivy http://trivy-adapter.example.com:8080 --again 7`,
		Args:    command.Args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := s.read(cmd, a[0], a[1]); err != nil {
				return err
			}
			return t.Do(cmd, func(r command.API) error { return r.Put(pathOf(a[0]), s.spec) })
		},
	}
	t.Flags(cmd)
	s.flags(cmd)
	return cmd
}

// pathOf is where a scanner is.
func pathOf(name string) string { return command.Path("security", "scanners", name) }

func newScannerList() *cobra.Command {
	var t command.Registry
	var list command.List
	cmd := &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List the scanners of others",
		Example: `  registry scan scanner ls --format json`,
		Args:    command.Args(cobra.MaximumNArgs(0)),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.Do(cmd, func(r command.API) error {
				var all scans.Scanners
				if err := r.Get("/security/scanners", &all); err != nil {
					return err
				}
				items := command.Items(all.Items, scannerItem)
				return list.Print(cmd, "SCANNER ADDRESS AUTH DEFAULT AGAIN ADDED", items)
			})
		},
	}
	t.Flags(cmd)
	list.Flags(cmd)
	return cmd
}

func scannerItem(s scans.Scanner) command.Item {
	again := "never"
	if s.AgainDays > 0 {
		again = fmt.Sprintf("%dd", s.AgainDays)
	}
	return command.Item{
		Row:    []string{s.Name, s.URL, dash(s.Auth), command.Yes(s.Default), again, command.Stamp(s.At)},
		Object: s,
	}
}

func newScannerTest() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "test NAME", Aliases: []string{"ping"}, Short: "Ask a scanner whether it is there, and what it is",
		Example: `  registry scan scanner test trivy`,
		Args:    command.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			return t.Do(cmd, func(r command.API) error {
				var said scans.Tested
				if err := r.Post(pathOf(a[0])+"/test", nil, &said); err != nil {
					return err
				}
				if !said.OK {
					return errdefs.Errorf(errdefs.ErrUnavailable, "%s", said.Error)
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.Join(strings.Fields(
					fmt.Sprintf("%s answers: %s %s %s", a[0], said.Vendor, said.Name, said.Version)), " "))
				return err
			})
		},
	}
	t.Flags(cmd)
	return cmd
}

func newScannerRemove() *cobra.Command {
	var t command.Registry
	cmd := &cobra.Command{
		Use: "rm NAME…", Aliases: []string{"remove"}, Short: "Remove scanners that no project has chosen",
		Example: `  registry scan scanner rm trivy`,
		Args:    command.Args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Do(cmd, func(r command.API) error {
				return command.Each(names, func(name string) error { return r.Delete(pathOf(name)) })
			})
		},
	}
	t.Flags(cmd)
	return cmd
}
