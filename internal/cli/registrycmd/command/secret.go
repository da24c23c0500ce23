package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Secret reads the first line of what is given, as --password-stdin has it.
func Secret(r io.Reader) (string, error) {
	const longest = 64 << 10
	line, err := bufio.NewReader(io.LimitReader(r, longest)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
