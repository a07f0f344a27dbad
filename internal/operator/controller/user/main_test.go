package user_test

import (
	"os"
	"testing"

	"devserver.io/devserver/internal/testing/apiserver"
)

func TestMain(m *testing.M) { os.Exit(apiserver.Run(m)) }
