Feature: Data Flow
  Schemas, what expressions see, and the context.

  Scenario: The run's input is not what it must be
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: the-run-s-input-is-not-what-it-must-be, version: '1.0.0'}
    input: {schema: {document: {type: object, required: [id]}}}
    do:
      - a: {set: {a: 1}}
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/validation
    status: 400
    instance: /
    detail: '"id" is a required property'
    """

  Scenario: A task's input, output and export have schemas
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-task-s-input-output-and-export-have-schemas, version: '1.0.0'}
    do:
      - guarded:
          try:
            - a:
                input: {from: .n, schema: {document: {type: object}}}
                set: "${ . }"
                output: {as: "{n: .}", schema: {document: {properties: {n: {type: integer}}}}}
                export: {as: .n, schema: {document: {type: string}}}
          catch: {do: [{note: {set: "${ $error | {status, exported: (.detail | contains(\"/export/schema\"))} }"}}]}
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    status: 400
    exported: true
    """

  Scenario: What is exported is checked, and the context stays as it was
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: export-schema, version: '1.0.0'}
    do:
      - guarded:
          try:
            - a:
                set: {n: 1}
                export: {as: .n, schema: {document: {type: string}}}
          catch: {do: [{note: {set: "${ {context: $context, at: $error.instance} }"}}]}
    """
    And given its context is:
    """yaml
    before
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    context: before
    at: /do/0/guarded/try/0/a
    """

  Scenario: A schema of the context alone checks the context as it is
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: context-schema, version: '1.0.0'}
    do:
      - guarded:
          try:
            - a:
                set: {n: 1}
                export: {schema: {document: {type: object}}}
          catch: {do: [{note: {set: "${ {at: $error.instance, is_told: ($error.detail | contains(\"/export/schema\"))} }"}}]}
    """
    And given its context is:
    """yaml
    before
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    at: /do/0/guarded/try/0/a
    is_told: true
    """

  Scenario: The run's output is transformed and checked, and may be retried
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: the-run-s-output-is-transformed-and-checked-and-may-be-retri, version: '1.0.0'}
    output: {as: .n, schema: {document: {type: string}}}
    do:
      - a: {set: {n: 1}}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/validation
    instance: /
    """
    When an operator retries it
    Then the workflow should fault
    And the journal should be:
    """yaml
    a completed
    """

  Scenario: What expressions see
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: what-expressions-see, version: '1.0.0'}
    do:
      - a:
          input: {from: .in}
          set:
            context: ${ $context }
            input: ${ $input }
            itself: ${ . }
            secrets: ${ [$task | .name, .reference, .input] }
            run: ${ [$workflow | .id, .input, .version, .definition.document.name, .startedAt.iso8601, .startedAt.epoch.seconds] }
            runtime: ${ $runtime.name }
          output: {as: ". + {yielded: ($task.output == .), output: $output}"}
    """
    And given its context is:
    """yaml
    project: apollo
    """
    And given the workflow input is:
    """yaml
    in: 7
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    context: {project: apollo}
    input: 7
    itself: 7
    secrets: [a, /do/0/a, {in: 7}]
    run: [run_01m7z7p284eheavy5sgah3tqk5, {in: 7}, 3, what-expressions-see, "2026-11-29T12:00:00.000Z", 1795953600]
    runtime: hookyard
    yielded: true
    output: null
    """

  Scenario: An expression that fails is an error of its task
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-expression-that-fails-is-an-error-of-its-task, version: '1.0.0'}
    do:
      - a: {set: {b: "${ .a.b }"}}
    """
    And given the workflow input is:
    """yaml
    a: [1]
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/expression
    status: 400
    instance: /do/0/a
    detail: at /do/0/a/set/b
    """
    And the journal should be:
    """yaml
    a faulted
    """

  Scenario: An export sees what the task yielded and what its output was made of it
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-export-sees-both, version: '1.0.0'}
    do:
      - a:
          set: {n: 1, m: 2}
          output: {as: .n}
          export: {as: "${ {yielded: $task.output.m, output: $output, itself: .} }"}
      - b: {set: "${ $context }"}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    yielded: 2
    output: 1
    itself: 1
    """
