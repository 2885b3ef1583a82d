Feature: Flow
  The ways through lists of tasks.

  Scenario: A loop by goto comes to its end
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-loop-by-goto-comes-to-its-end, version: '1.0.0'}
    do:
      - count: {set: {n: "${ (.n // 0) + 1 }"}}
      - again:
          switch:
            - more: {when: .n < 3, then: count}
            - enough: {then: end}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 3
    """
    And the journal should be:
    """yaml
    count completed
    again completed
    count completed
    again completed
    count completed
    again completed
    """

  Scenario: A loop without an end is stopped
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-loop-without-an-end-is-stopped, version: '1.0.0'}
    do:
      - a: {set: {n: 1}}
      - b: {set: {n: 2}, then: a}
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/runtime
    instance: /do/0/a
    detail: a loop may have no end
    """

  Scenario: Each visit of a call has a key of its own
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: each-visit-of-a-call-has-a-key-of-its-own, version: '1.0.0'}
    do:
      - count: {set: {n: "${ ($context.n // 0) + 1 }"}, export: {as: "{n: .n}"}}
      - call: {call: http, with: {method: post, endpoint: "https://api.test/a", body: {}}}
      - again:
          switch:
            - more: {when: $context.n < 3, then: count}
    """
    When the workflow is executed
    Then the workflow should complete
    And the server should have got 3 requests with 3 keys

  Scenario: A task whose if is false passes its input on, and then does not count
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-task-whose-if-is-false-passes-its-input-on-and-then-does-n, version: '1.0.0'}
    do:
      - never: {if: .a == 2, set: {a: 3}, then: end}
      - after: {set: "${ {seen: .} }"}
    """
    And given the workflow input is:
    """yaml
    a: 1
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    seen: {a: 1}
    """
    And the journal should be:
    """yaml
    never skipped
    after completed
    """

  Scenario: Exit ends the list, and end ends the run
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: exit-ends-the-list-and-end-ends-the-run, version: '1.0.0'}
    do:
      - outer:
          do:
            - inner:
                do:
                  - a: {set: {a: 1}, then: exit}
                  - never: {set: {a: 2}}
            - each:
                for: {each: n, in: "[1, 2, 3]"}
                do:
                  - count: {set: {n: "${ $n }"}}
                  - stop:
                      switch:
                        - two: {when: $n == 2, then: end}
      - never2: {set: {a: 3}}
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    n: 2
    """
    And the journal should be:
    """yaml
    a completed
    inner completed
    count completed
    stop completed
    count completed
    stop completed
    each completed
    outer completed
    """

  Scenario: While is tested before each iteration
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: while-is-tested-before-each-iteration, version: '1.0.0'}
    do:
      - each:
          for: {each: n, in: "[1, 2, 3]"}
          while: $n < 3 and (. | length) < 5
          do:
            - add: {set: "${ . + [$n] }"}
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [1, 2]
    """

  Scenario: A loop over what is no array
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-loop-over-what-is-no-array, version: '1.0.0'}
    do:
      - each:
          for: {each: n, in: .items}
          do:
            - add: {set: "${ $n }"}
    """
    And given the workflow input is:
    """yaml
    items: 7
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/expression
    instance: /do/0/each
    """

  Scenario: A condition must be true or false
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-condition-must-be-true-or-false, version: '1.0.0'}
    do:
      - a: {if: .a, set: {a: 1}}
    """
    And given the workflow input is:
    """yaml
    a: null
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    detail: true or false is needed
    """

  Scenario: Variables of loops hide outer ones
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: variables-of-loops-hide-outer-ones, version: '1.0.0'}
    do:
      - outer:
          for: {each: n, in: "[1, 2]"}
          do:
            - inner:
                for: {each: n, in: "[$n * 10]", at: i}
                do:
                  - add: {set: "${ . + [$n, $i] }"}
            - own: {set: "${ . + [$n, $index] }"}
    """
    And given the workflow input is:
    """yaml
    []
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    [10, 0, 1, 0, 20, 0, 2, 1]
    """

  Scenario: An if is about the input as it comes, before the task makes anything of it
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-if-is-about-the-input-as-it-comes, version: '1.0.0'}
    do:
      - skipped:
          if: .order != null
          input: {schema: {document: {required: [order]}}, from: .order}
          set: {never: true}
      - taken:
          if: .name != null
          input: {from: .name}
          set: "${ {hello: .} }"
    """
    And given the workflow input is:
    """yaml
    name: Ada
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    hello: Ada
    """

  Scenario: The default case of a switch comes last, wherever it stands
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: the-default-case-of-a-switch-comes-last, version: '1.0.0'}
    do:
      - pick:
          switch:
            - other: {then: unpaid}
            - paid: {when: .paid, then: paid}
      - unpaid: {set: {is: unpaid}, then: end}
      - paid: {set: {is: paid}}
    """
    And given the workflow input is:
    """yaml
    paid: true
    """
    When the workflow is executed
    Then the workflow should complete with output:
    """yaml
    is: paid
    """
