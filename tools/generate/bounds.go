package main

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-tools/pkg/crd"
	"sigs.k8s.io/controller-tools/pkg/loader"
)

// Bounds of types that are not ours, so that no marker can set them. Without
// them the API server takes every validation rule on such a value for too
// costly, and refuses the CustomResourceDefinition.
var (
	maxQuantityLength = int64(32)
	maxResources      = int64(32)
)

// boundForeignTypes changes the schema of Kubernetes' own types.
//
// A Quantity loses its pattern, which lets "1e5.5" through although nothing
// can decode it; with both a pattern and a rule, a user would read two
// complaints about one mistake. Every field with a Quantity needs a rule with
// isQuantity instead: one object that cannot be decoded breaks the list of all.
func boundForeignTypes() {
	crd.KnownPackages["k8s.io/apimachinery/pkg/api/resource"] = func(p *crd.Parser, pkg *loader.Package) {
		p.Schemata[crd.TypeIdent{Package: pkg, Name: "Quantity"}] = quantity()
	}
	crd.KnownPackages["k8s.io/api/core/v1"] = func(p *crd.Parser, pkg *loader.Package) {
		p.AddPackage(pkg)
		value := quantity()
		p.Schemata[crd.TypeIdent{Package: pkg, Name: "ResourceList"}] = apiextensionsv1.JSONSchemaProps{
			Type:                 "object",
			MaxProperties:        &maxResources,
			AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &value},
		}
	}
}

func quantity() apiextensionsv1.JSONSchemaProps {
	return apiextensionsv1.JSONSchemaProps{
		XIntOrString: true,
		AnyOf:        []apiextensionsv1.JSONSchemaProps{{Type: "integer"}, {Type: "string"}},
		MaxLength:    &maxQuantityLength,
	}
}
