Feature: Listen Task
  What is waited for is an effect; the events come one by one, and none is taken twice.

  Scenario: Listen to one event
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: listen-to-one-event, version: '1.0.0'}
    do:
      - paid:
          listen:
            to:
              one:
                with: {type: invoice.paid}
      - note: {set: {amount: "${ .[0].amount }"}}
    """
    When the workflow is executed
    Then the workflow should be waiting
    And it should listen for:
    """yaml
    [invoice.paid]
    """
    When an event arrives that nobody waits for:
    """yaml
    {id: '0', type: invoice.sent, data: {amount: 1}}
    """
    When an event arrives:
    """yaml
    {id: '1', type: invoice.paid, data: {amount: 7}}
    """
    Then the workflow should complete with output:
    """yaml
    amount: 7
    """

  Scenario: Listen to any of several
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: listen-to-any-of-several, version: '1.0.0'}
    do:
      - first:
          listen:
            to:
              any:
                - with: {type: a}
                - with: {type: b, data: "${ .n > 3 }"}
    """
    When the workflow is executed
    When an event arrives that nobody waits for:
    """yaml
    {id: '1', type: b, data: {n: 3}}
    """
    When an event arrives:
    """yaml
    {id: '2', type: b, data: {n: 4}}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: 4}]
    """
    When an event arrives that nobody waits for:
    """yaml
    {id: '3', type: a, data: {n: 4}}
    """

  Scenario: Listen to all, correlated with the input, in any order
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: listen-to-all-correlated-with-the-input-in-any-order, version: '1.0.0'}
    do:
      - both:
          listen:
            to:
              all:
                - with: {type: shipped}
                  correlate: {order: {from: .data.order, expect: "${ .order }"}}
                - with: {type: paid}
                  correlate: {order: {from: .data.order, expect: "${ .order }"}}
    """
    And given the workflow input is:
    """yaml
    order: 7
    """
    When the workflow is executed
    Then it should listen for:
    """yaml
    [shipped, paid]
    """
    When an event arrives that nobody waits for:
    """yaml
    {id: '1', type: paid, data: {order: 8}}
    """
    When an event arrives:
    """yaml
    {id: '2', type: paid, data: {order: 7}}
    """
    Then the workflow should be waiting
    And it should listen for:
    """yaml
    [shipped]
    """
    When an event arrives that nobody waits for:
    """yaml
    {id: '3', type: paid, data: {order: 7}}
    """
    When an event arrives:
    """yaml
    {id: '4', type: shipped, data: {order: 7, by: post}}
    """
    Then the workflow should complete with output:
    """yaml
    [{order: 7}, {order: 7, by: post}]
    """
    And the journal should be:
    """yaml
    both completed
    """

  Scenario: An event is never taken twice by one run
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: an-event-is-never-taken-twice-by-one-run, version: '1.0.0'}
    do:
      - first: {listen: {to: {one: {with: {type: a}}}}}
      - second: {listen: {to: {one: {with: {type: a}}}}}
    """
    When the workflow is executed
    When an event arrives:
    """yaml
    {id: '1', type: a, data: 1}
    """
    When an event arrives:
    """yaml
    {id: '1', type: a, data: 1}
    """
    Then the workflow should be waiting
    And the journal should be:
    """yaml
    first completed
    """
    When an event arrives:
    """yaml
    {id: '2', type: a, data: 2}
    """
    Then the workflow should complete with output:
    """yaml
    [2]
    """

  Scenario: Read the envelope
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: read-the-envelope, version: '1.0.0'}
    do:
      - one:
          listen:
            to: {one: {with: {type: a, source: github}}}
            read: envelope
          output: {as: "[.[] | {id, type}]"}
    """
    When the workflow is executed
    When an event arrives that nobody waits for:
    """yaml
    {id: '1', type: a, source: stripe}
    """
    When an event arrives:
    """yaml
    {id: '2', type: a, source: github}
    """
    Then the workflow should complete with output:
    """yaml
    [{id: '2', type: a}]
    """

  Scenario: Listen in a loop
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: listen-in-a-loop, version: '1.0.0'}
    do:
      - each:
          for: {each: pet, in: .pets}
          do:
            - done:
                listen: {to: {one: {with: {type: checkup}, correlate: {pet: {from: .data.pet, expect: "${ $pet }"}}}}}
            - note: {set: "${ [.[0].vet] }"}
    """
    And given the workflow input is:
    """yaml
    pets: [rex, tom]
    """
    When the workflow is executed
    When an event arrives that nobody waits for:
    """yaml
    {id: '1', type: checkup, data: {pet: tom, vet: ann}}
    """
    When an event arrives:
    """yaml
    {id: '2', type: checkup, data: {pet: rex, vet: bea}}
    """
    When an event arrives:
    """yaml
    {id: '3', type: checkup, data: {pet: tom, vet: ann}}
    """
    Then the workflow should complete with output:
    """yaml
    [ann]
    """

  Scenario: Two branches listen for the same event, and the first takes it
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: two-branches-listen-for-the-same-event-and-the-first-takes-i, version: '1.0.0'}
    do:
      - race:
          fork:
            compete: true
            branches:
              - one: {listen: {to: {one: {with: {type: a}}}}}
              - two: {listen: {to: {one: {with: {type: a}}}}}
    """
    When the workflow is executed
    When an event arrives:
    """yaml
    {id: '1', type: a, data: x}
    """
    Then the workflow should complete with output:
    """yaml
    [x]
    """
    And the journal should be:
    """yaml
    one completed
    two cancelled
    race completed
    """

  Scenario: A source that is null is nobody, and not anybody
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: a-source-that-is-null-is-nobody, version: '1.0.0'}
    do:
      - approval: {listen: {to: {one: {with: {type: approved, source: "${ .approver }"}}}}}
    """
    And given the workflow input is:
    """yaml
    approver: null
    """
    When the workflow is executed
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/dsl/errors/types/expression
    instance: /do/0/approval
    detail: the source to listen for is null
    """

  Scenario: Read the raw data
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: default, name: read-the-raw-data, version: '1.0.0'}
    do:
      - one: {listen: {to: {one: {with: {type: a}}}, read: raw}}
    """
    When the workflow is executed
    When an event arrives:
    """yaml
    {id: '1', type: a, data: {n: 1}}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: 1}]
    """
