/* What a schema is compiled to, and what the parts of the compiler share. Only for this folder.
 *
 * Each schema, one that stands in another too, is a node: the kinds of value it takes and the operations for what else it
 * demands, in the order in which they are cheapest. A node is made when its place is found (resource.c) and compiled when it
 * is needed (compile.c); operations point at nodes. Nodes belong to resources: what has an address of its own ($id).
 */
#ifndef FNR_SCHEMA_PROGRAM_H
#define FNR_SCHEMA_PROGRAM_H

#include "base/mem.h"
#include "schema/map.h"
#include "schema/number.h"
#include "schema/pattern.h"
#include "schema/schema.h"
#include "schema/value.h"
#include "schema/word.h"

#define NODES_MOST 200000
#define TEXT_MOST 72          /* of foreign text in a message, in bytes */
#define POINTER_MOST 1024     /* room for a JSON Pointer; a longer one is cut */

/* ---- vocabularies and keywords ---- */

enum { V_CORE = 1, V_APPLICATOR = 2, V_UNEVALUATED = 4, V_VALIDATION = 8, V_META_DATA = 16, V_FORMAT = 32, V_FORMAT_ASSERTION = 64, V_CONTENT = 128 };
#define V_STANDARD (V_CORE | V_APPLICATOR | V_UNEVALUATED | V_VALIDATION | V_META_DATA | V_FORMAT | V_CONTENT)

/* ---- the program ---- */

struct anchor { const char *name; struct node *node; struct anchor *next; };

struct resource {
	const char *uri;             /* without fragment */
	struct document *document;
	struct node *root;
	unsigned vocabularies;
	struct anchor *dynamic;      /* its $dynamicAnchors */
	bool entered;                /* some of it is compiled */
};

struct document {
	const char *uri;             /* where it was found */
	struct json_object *value;
	struct node *root;
	bool checked, main;          /* against its metaschema; the one that was given */
	struct document *next;
};

struct property { struct word name; struct node *node; bool required; uint8_t id; };   /* id: in the shape */
struct pattern_property { struct pattern *pattern; struct node *node; };

/* properties, patternProperties, additionalProperties and required: one pass over the members of an object. */
struct members {
	struct property *properties;
	uint32_t *slots;             /* number of a property + 1, by hash; 0: none */
	uint32_t count, size, required, pattern_count;
	uint32_t enough;             /* so many properties were met: no other member matters */
	uint32_t plenty;             /* with more members, it is worth while to look whether that is so */
	bool flat;                   /* a look is mostly enough for each of them */
	uint64_t initials;           /* bits of the first bytes of their names, modulo 64 */
	struct pattern_property *patterns;
	struct node *additional;
	uint64_t own, must;          /* in a shape: the names that have a schema, and those that are required */
	const uint8_t *place_of;     /* in a shape: the number of a property by its id */
};

/* Names that the schemas for one and the same value ask for, where several do (allOf, if, oneOf and the like). An object is
 * looked through once for all of them; from then on a name is a bit and a place. */
#define SHAPE_NAMES 64
#define SHAPE_SLOTS 128
struct shape {
	struct word names[SHAPE_NAMES + 1];   /* the last is none */
	uint32_t count, users;       /* users: how many ask for names */
	bool full;                   /* there are more names: it is not used */
	uint8_t first[SHAPE_SLOTS], next[SHAPE_NAMES];   /* id + 1 of the names whose first bytes fall together; 0: no more */
};

/* What an object needs at least to fit a schema, to be seen without running it: members, and a text out of a list in one of
 * them, which often tells alternatives apart. whole: no more than that. */
struct guard { uint64_t must; const struct enumeration *list; uint8_t id; bool whole; };

struct items { struct node **prefix; size_t count; struct node *rest; };
struct contains { struct node *node; uint64_t least, most; };
struct dependency { const char *name; struct node *node; const char **names; size_t count; };  /* node, or names */
struct branches { struct node *condition, *then, *otherwise; };

/* The bounds of a number in one: whole numbers from least to most and reals between above and below fit all of them, which are
 * the next `count` operations. Others may fit, too. */
struct interval { int64_t least, most; double above, below; uint32_t count; };

/* The values of enum, or the one of const; the texts among them are compared quickest. Many are found by hash: order has their
 * numbers, hashes are sorted. */
struct text { const char *data; size_t len; uint64_t head; };   /* head: see text_head */
struct enumeration { struct json_object *values; size_t count; uint64_t *hashes; uint32_t *order; struct text *texts; size_t text_count; };

struct op {
	uint8_t rule;                /* row of the table of rules */
	uint8_t applies;             /* kinds of value */
	uint32_t count;              /* of what `nodes` or `dependencies` point at; of RULE_IF in a row, from this one on */
	struct node *home;           /* where it was written: not the node that has it, if that took it over from another (link.c) */
	union {
		struct json_object *value;
		struct { struct bound bound; const struct interval *interval; };   /* interval: of the first of several */
		struct divisor divisor;
		struct { uint64_t least, most; } range;
		struct { struct json_object *value; const char *name; } named;
		struct enumeration *enumeration;
		struct { struct pattern *pattern; const struct plain *plain; };
		const struct format *format;
		struct node *node;
		struct node **nodes;
		struct { struct node *node; const char *anchor; } dynamic;
		struct members *members;
		struct items *items;
		struct contains *contains;
		struct dependency *dependencies;
		struct branches *branches;
	};
};

/* What is enough to take a value, for the commonest nodes: that is looked at before anything else is prepared (leaf.h). */
enum look { LOOK_NOT, LOOK_KIND, LOOK_LENGTH, LOOK_LIST, LOOK_PATTERN, LOOK_RANGE, LOOK_DIVISIBLE, LOOK_MEMBERS };

enum { NEEDS_SCOPE = 1, NEEDS_MARKS = 2, NEEDS_FRAME = 4 };

struct node {
	struct json_object *source;
	struct node *parent;         /* with these it has its JSON Pointer */
	const char *keyword, *name;  /* name is NULL where index is used, keyword at the root of a document */
	int64_t index;               /* -1: keyword alone */
	struct resource *resource;
	uint8_t kinds;               /* of value that it takes */
	uint8_t look;                /* enum look, at its first operation */
	uint32_t types;              /* of json-c, as bits, that the look can tell of */
	bool wanted, leaf;           /* leaf: leads to no other */
	bool tracks;                 /* needs to know what was evaluated (unevaluated*) */
	bool inner;                  /* another leads to it for the same value */
	bool shares;                 /* so does it, or it leads to others */
	uint8_t mark;                /* of the search for loops */
	uint32_t op_count;
	struct op *ops;
	const struct op *quick;      /* the same in the order that finds a misfit soonest, for when that is all that is wanted */
	struct node *joined;         /* towards the one that stands for all that apply to the same value (shape.c) */
	struct shape *shape;         /* of those; NULL: not worth it */
	const struct guard *guard;   /* or NULL */
	uint8_t needs;               /* NEEDS_*: what has to be prepared before its operations */
	bool objects;                /* takes them, and does not need to know the way */
};

struct schema {
	struct fnr_arena *arena;
	struct json_object *source, *constants;
	struct node *root;
	struct document *documents;
	struct map nodes;            /* by the address of their JSON value */
	struct map places;           /* resources' roots and anchors, by address: "uri" and "uri#name" */
	struct pattern **patterns;
	size_t pattern_count, node_count;
	bool dynamic;                /* has a $dynamicRef, so the way to a node matters */
};

/* The table of rules: X(name, keyword, kinds it applies to). The order is that of their operations; those in front of MEMBERS
 * look at a value alone (leaf.c). */
#define RULES(X) \
	X(ENUM, "enum", KIND_ANY) \
	X(CONST, "const", KIND_ANY) \
	X(LENGTH, "minLength", KIND_STRING) \
	X(MINIMUM, "minimum", NUMERIC) \
	X(MAXIMUM, "maximum", NUMERIC) \
	X(EXCLUSIVE_MINIMUM, "exclusiveMinimum", NUMERIC) \
	X(EXCLUSIVE_MAXIMUM, "exclusiveMaximum", NUMERIC) \
	X(MULTIPLE_OF, "multipleOf", NUMERIC) \
	X(ITEM_COUNT, "minItems", KIND_ARRAY) \
	X(MEMBER_COUNT, "minProperties", KIND_OBJECT) \
	X(FORMAT, "format", KIND_STRING) \
	X(PATTERN, "pattern", KIND_STRING) \
	X(UNIQUE_ITEMS, "uniqueItems", KIND_ARRAY) \
	X(MEMBERS, "properties", KIND_OBJECT) \
	X(PROPERTY_NAMES, "propertyNames", KIND_OBJECT) \
	X(DEPENDENT_REQUIRED, "dependentRequired", KIND_OBJECT) \
	X(ITEMS, "items", KIND_ARRAY) \
	X(CONTAINS, "contains", KIND_ARRAY) \
	X(REF, "$ref", KIND_ANY) \
	X(DYNAMIC_REF, "$dynamicRef", KIND_ANY) \
	X(ALL_OF, "allOf", KIND_ANY) \
	X(ANY_OF, "anyOf", KIND_ANY) \
	X(ONE_OF, "oneOf", KIND_ANY) \
	X(NOT, "not", KIND_ANY) \
	X(IF, "if", KIND_ANY) \
	X(DEPENDENT_SCHEMAS, "dependentSchemas", KIND_OBJECT) \
	X(UNEVALUATED_ITEMS, "unevaluatedItems", KIND_ARRAY) \
	X(UNEVALUATED_PROPERTIES, "unevaluatedProperties", KIND_OBJECT)
enum rule {
#define X(name, keyword, applies) RULE_##name,
	RULES(X)
#undef X
	RULE_COUNT
};

/* ---- the compiler ---- */

struct compiler {
	struct schema *schema;
	const struct schema_options *options;
	struct fnr_error *err;
	struct node **work;          /* what is to be compiled, in the order in which it was found */
	size_t work_count, work_size;
	struct op *ops;              /* of the node that is being compiled */
	size_t op_count, op_size;
	int metaschemas;             /* how many are being compiled around this */
};

/* A fault of the schema itself, at a keyword of node (NULL: the node). */
void compiler_fault(struct compiler *c, const struct node *node, const char *rule, const char *fix, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* resource.c: finds the schemas of documents, their addresses and anchors, and what references mean */
struct document *resource_add_document(struct compiler *c, const char *uri, struct json_object *value);
struct node *resource_node(const struct compiler *c, struct json_object *value);        /* of a schema that was found; or NULL */
struct node *resource_find(struct compiler *c, const char *uri);                        /* the root of a resource, or NULL */
struct node *resource_anchor(const struct resource *resource, const char *name);        /* of a $dynamicAnchor, or NULL */

/* NULL, with a fault, if there is no such schema. The name of the anchor that was used, if any, is in *anchor_r. */
struct node *resource_resolve(struct compiler *c, struct node *from, const char *keyword, const char *reference, const char **anchor_r);

/* dialect.c: what $schema says */
unsigned dialect_vocabularies(struct compiler *c, struct resource *resource);           /* 0, with a fault: unknown */
bool dialect_check(struct compiler *c, struct document *document);                      /* does it fit its metaschema? */

/* compile.c */
void compiler_want(struct compiler *c, struct node *node);   /* to be compiled */
struct schema *compiler_run(struct json_object *definition, const struct schema_options *options, int metaschemas, struct fnr_error *err);

/* metaschema.c: the documents that everybody knows; NULL if there is none of that address. They stay for ever. */
struct json_object *metaschema_find(const char *uri);
#define METASCHEMA "https://json-schema.org/draft/2020-12/schema"
#define METASCHEMA_BASE "https://json-schema.org/draft/2020-12/"

/* keywords.c: the operations of a node that is an object */
void keywords_compile(struct compiler *c, struct node *node, unsigned vocabularies);

/* loop.c: a schema that leads to itself without going deeper into the value would never end */
bool loop_check(struct compiler *c);
/* The schemas that an operation applies to the value itself, one after the other; NULL behind the last. */
struct node *op_same(const struct op *op, size_t at);

/* link.c: to be called when there are no loops */
void link_all(struct compiler *c);

/* shape.c: shapes and guards for the schemas that apply to the same value; behind link_all */
void shape_all(struct compiler *c);

/* Where a node stands: "#/properties/a", with the document's address before it unless it is the one that was given. */
const char *node_pointer(const struct schema *schema, const struct node *node, char out[POINTER_MOST]);

/* format.c */
struct format { const char *name, *like; bool (*fits)(const char *text, size_t len); };
const struct format *format_find(const char *name);

#endif
